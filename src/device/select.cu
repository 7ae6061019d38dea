// The least scores by counting: a row's threshold digit by digit, then one comparison for each score.

// -0 is 0: equal scores have one key.
__device__ __forceinline__ u32 key_of(float score) { return ordered_bits(score + 0.0f); }

// Finds for each row the key of its `counts[row]`-th least score, and how many scores of that key are still to be taken; one
// block of threads works on one row at a time.
extern "C" __global__ void row_thresholds(
    const float* scores, u32 rows, u32 columns, const u32* counts, u32* thresholds, u32* lefts
) {
    __shared__ u32 histogram[256];
    __shared__ u32 found[2];
    for (u32 row = blockIdx.x; row < rows; row += gridDim.x) {
        const float* line = scores + (u64)row * columns;
        u32 count = counts[row] < columns ? counts[row] : columns;
        u32 prefix = 0, left = count;
        if (count > 0) {
            for (int shift = 24; shift >= 0; shift -= 8) {
                histogram[threadIdx.x] = 0;
                __syncthreads();
                for (u32 column = threadIdx.x; column < columns; column += THREADS) {
                    u32 key = key_of(line[column]);
                    bool here = shift == 24 || (key >> (shift + 8)) == (prefix >> (shift + 8));
                    if (here) atomicAdd(&histogram[(key >> shift) & 255u], 1u);
                }
                __syncthreads();
                if (threadIdx.x == 0) {
                    u32 digit = 0, rest = left;
                    while (digit < 255u && rest > histogram[digit]) rest -= histogram[digit++];
                    found[0] = digit;
                    found[1] = rest;
                }
                __syncthreads();
                prefix |= found[0] << shift;
                left = found[1];
                __syncthreads();
            }
        }
        if (threadIdx.x == 0) {
            thresholds[row] = prefix;
            lefts[row] = left;
        }
    }
}

// Counts scores by the upper half of their keys, or those of an upper half by the lower; `histogram` has 65536 numbers.
extern "C" __global__ void score_histogram(const float* scores, u64 n, u32 fine, u32 upper, u32* histogram) {
    u64 step = (u64)gridDim.x * THREADS;
    for (u64 at = (u64)blockIdx.x * THREADS + threadIdx.x; at < n; at += step) {
        u32 key = key_of(scores[at]);
        if (!fine) atomicAdd(&histogram[key >> 16], 1u);
        else if (key >> 16 == upper) atomicAdd(&histogram[key & 0xffffu], 1u);
    }
}

// Counts for each row the scores below a threshold, and those at it.
extern "C" __global__ void row_against(
    const float* scores, u32 rows, u32 columns, u32 threshold, u32* below, u32* equal
) {
    __shared__ double shared[THREADS];
    for (u32 row = blockIdx.x; row < rows; row += gridDim.x) {
        const float* line = scores + (u64)row * columns;
        double less = 0.0, same = 0.0;
        for (u32 column = threadIdx.x; column < columns; column += THREADS) {
            u32 key = key_of(line[column]);
            less += key < threshold;
            same += key == threshold;
        }
        less = of_block<plus>(less, shared);
        same = of_block<plus>(same, shared);
        if (threadIdx.x == 0) {
            below[row] = (u32)less;
            equal[row] = (u32)same;
        }
    }
}

// Marks what is below its row's threshold, and of what is at it the first `lefts[row]`.
extern "C" __global__ void mark_rows(
    const float* scores, u32 rows, u32 columns, const u32* thresholds, const u32* lefts, u8* marks
) {
    __shared__ u32 sums[THREADS];
    for (u32 row = blockIdx.x; row < rows; row += gridDim.x) {
        u64 start = (u64)row * columns;
        u32 threshold = thresholds[row], left = lefts[row], taken = 0;
        for (u32 from = 0; from < columns; from += THREADS) {
            u32 column = from + threadIdx.x;
            u32 key = column < columns ? key_of(scores[start + column]) : 0xffffffffu;
            u32 equal = column < columns && key == threshold ? 1u : 0u;
            // How many of this tile's threads, up to this one, are at the threshold.
            sums[threadIdx.x] = equal;
            __syncthreads();
            for (u32 reach = 1; reach < THREADS; reach *= 2) {
                u32 before = threadIdx.x >= reach ? sums[threadIdx.x - reach] : 0u;
                __syncthreads();
                sums[threadIdx.x] += before;
                __syncthreads();
            }
            u32 place = taken + sums[threadIdx.x];
            if (column < columns) marks[start + column] = key < threshold || (equal && place <= left) ? 1 : 0;
            taken += sums[THREADS - 1];
            __syncthreads();
        }
    }
}

// Marks the `count` least of each group of `size` columns, `last` of a narrower one; one thread takes one group.
extern "C" __global__ void mark_groups(
    const float* scores, u32 rows, u32 columns, u32 size, u32 count, u32 last, u8* marks
) {
    u32 groups = (columns + size - 1) / size;
    u64 all = (u64)rows * groups, step = (u64)gridDim.x * THREADS;
    for (u64 at = (u64)blockIdx.x * THREADS + threadIdx.x; at < all; at += step) {
        u32 first = (u32)(at % groups) * size;
        u32 width = columns - first < size ? columns - first : size;
        u32 wanted = width == size ? count : last;
        const float* line = scores + at / groups * columns + first;
        u8* out = marks + at / groups * columns + first;
        for (u32 i = 0; i < width; i++) {
            u32 own = key_of(line[i]), place = 0;
            for (u32 j = 0; j < width; j++) {
                u32 key = key_of(line[j]);
                place += key < own || (key == own && j < i) ? 1u : 0u;
            }
            out[i] = place < wanted ? 1 : 0;
        }
    }
}
