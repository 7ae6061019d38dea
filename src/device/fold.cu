// Folds the sums that the blocks of a program's kernel wrote, `[numbers, blocks]`, into one number for each
// unit.

__device__ __forceinline__ double folded(const double* parts, u32 first, u32 end, u32 way, double* shared) {
    double own = way == 0 ? 0.0 : (double)__uint_as_float(way == 1 ? 0x7f800000u : 0xff800000u);
    for (u32 block = first + threadIdx.x; block < end; block += THREADS) own = combined(way, own, parts[block]);
    shared[threadIdx.x] = own;
    __syncthreads();
    // Halves in a fixed order: every run gives the same digits.
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] = combined(way, shared[threadIdx.x], shared[threadIdx.x + half]);
        __syncthreads();
    }
    double total = shared[0];
    __syncthreads();
    return total;
}

// A block computes one number of one unit; `firsts` has each unit's first block and the end of the last
// unit's blocks.
extern "C" __global__ void fold(const double* parts, u32 blocks, const u32* firsts, const u32* ways, u32 numbers, void* out) {
    __shared__ double shared[THREADS];
    u32 unit = blockIdx.x / numbers, number = blockIdx.x % numbers;
    double total = folded(parts + (u64)number * blocks, firsts[unit], firsts[unit + 1], ways[number], shared);
    if (threadIdx.x == 0) ((double*)out)[blockIdx.x] = total;
}

// A block takes one tally of one unit. From the unit's sample it computes the sum of the values and of the
// terms' magnitudes, and the centre for the tally's powers: the values' mean, or 0 if the tally needs no
// centre or the mean is not finite. `counts` has the number of values in each unit's sample.
extern "C" __global__ void centre(
    const double* parts, u32 blocks, const u32* firsts, const u32* counts, const u32* centred, u32 tallies, void* out, void* centres) {
    __shared__ double shared[THREADS];
    u32 unit = blockIdx.x / tallies, tally = blockIdx.x % tallies;
    const double* own = parts + (u64)tally * 2 * blocks;
    double sum = folded(own, firsts[unit], firsts[unit + 1], 0, shared);
    double size = folded(own + blocks, firsts[unit], firsts[unit + 1], 0, shared);
    if (threadIdx.x == 0) {
        bool used = centred[tally] && counts[unit] > 0 && !isinf(sum) && sum == sum;
        float about = used ? (float)(sum / (double)counts[unit]) : 0.0f;
        ((float*)centres)[blockIdx.x] = about;
        double* written = (double*)out + (u64)blockIdx.x * 2;
        written[0] = (double)about;
        written[1] = size;
    }
}

// Sums magnitudes, and magnitudes weighted by their rank: 2 rank + 1 - n, with ranks starting at 0. Writes
// `[2, blocks]`.
extern "C" __global__ void weighted_by_rank(const float* values, const u32* ranks, u64 n, void* out) {
    __shared__ double shared[THREADS];
    double sum = 0.0, weighted = 0.0;
    u64 step = (u64)gridDim.x * THREADS;
    for (u64 at = (u64)blockIdx.x * THREADS + threadIdx.x; at < n; at += step) {
        double size = (double)fabsf(values[at]);
        sum += size;
        weighted += (2.0 * (double)ranks[at] + 1.0 - (double)n) * size;
    }
    sum = of_block<plus>(sum, shared);
    weighted = of_block<plus>(weighted, shared);
    if (threadIdx.x == 0) {
        ((double*)out)[blockIdx.x] = sum;
        ((double*)out)[gridDim.x + blockIdx.x] = weighted;
    }
}
