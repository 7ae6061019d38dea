// The shared parts of programs' kernels: linears as stored in a table, weights loaded before they are
// widened, sums over a block. PART is the number of a linear's weights that a block processes, ROW the number
// of words in a linear's row of the table, SAMPLE the number of values that a block of a sample reads.

// A linear, and the part of it that a block works on.
struct Linear {
    const void* weight;
    const void* gradient;
    const float* numbers;
    const float* ranks;
    u64 out;
    u32 rows, columns, n, part, sample_step, unit;
};

// Finds a block's linear: the last one whose first block, in this word of its row, does not come after the
// block.
__device__ __forceinline__ Linear linear_of_block(
    const void* const* weights, const void* const* gradients, const float* numbers, const float* ranks,
    const u32* table, u32 linears, u32 word) {
    u32 low = 0, high = linears;
    while (high - low > 1) {
        u32 middle = (low + high) / 2;
        if (table[middle * ROW + word] <= blockIdx.x) low = middle; else high = middle;
    }
    const u32* row = table + low * ROW;
    Linear it;
    it.weight = weights[low];
    it.gradient = gradients[low];
    it.rows = row[2];
    it.columns = row[3];
    it.n = row[2] * row[3];
    it.part = blockIdx.x - row[word];
    it.sample_step = row[4];
    it.numbers = numbers + row[5];
    it.ranks = ranks + ((u64)row[7] << 32 | row[6]);
    it.unit = row[10];
    it.out = (u64)row[9] << 32 | row[8];
    return it;
}

template <int COUNT> struct Words {
    u32 v[COUNT];
    __device__ __forceinline__ void fetch(const void* from) {
        if constexpr (COUNT % 4 == 0) {
            #pragma unroll
            for (int i = 0; i < COUNT / 4; i++) {
                uint4 four = ((const uint4*)from)[i];
                v[4 * i] = four.x; v[4 * i + 1] = four.y; v[4 * i + 2] = four.z; v[4 * i + 3] = four.w;
            }
        } else if constexpr (COUNT == 2) {
            uint2 two = *(const uint2*)from;
            v[0] = two.x; v[1] = two.y;
        } else {
            v[0] = *(const u32*)from;
        }
    }
};

// WIDE numbers in their stored type.
template <int WIDE> struct FetchedF32 : Words<WIDE> {
    __device__ __forceinline__ void at(const void* all, u32 place) { this->fetch((const float*)all + place); }
    __device__ __forceinline__ float get(int i) const { return __uint_as_float(this->v[i]); }
};
template <int WIDE> struct FetchedBF16 : Words<WIDE / 2> {
    __device__ __forceinline__ void at(const void* all, u32 place) { this->fetch((const u16*)all + place); }
    __device__ __forceinline__ float get(int i) const {
        return __uint_as_float(i % 2 ? this->v[i / 2] & 0xffff0000u : this->v[i / 2] << 16);
    }
};
template <int WIDE> struct FetchedF16 : Words<WIDE / 2> {
    __device__ __forceinline__ void at(const void* all, u32 place) { this->fetch((const u16*)all + place); }
    __device__ __forceinline__ float get(int i) const {
        return widen_f16(i % 2 ? this->v[i / 2] >> 16 : this->v[i / 2] & 0xffffu);
    }
};

// Combines the numbers of a block's threads, `[numbers, THREADS]` in shared memory, into one each; a warp
// takes one number. Bits of `lower` and `higher` choose how they are combined.
__device__ void write_down(const volatile double* shared, u32 numbers, u64 lower, u64 higher, double* results) {
    __syncthreads();
    u32 lane = threadIdx.x % 32;
    for (u32 number = threadIdx.x / 32; number < numbers; number += THREADS / 32) {
        u32 way = lower >> number & 1u ? 1u : higher >> number & 1u ? 2u : 0u;
        double all = shared[number * THREADS + lane];
        #pragma unroll 1
        for (u32 at = lane + 32; at < THREADS; at += 32) all = combined(way, all, shared[number * THREADS + at]);
        #pragma unroll 1
        for (u32 mask = 16; mask > 0; mask /= 2) all = combined(way, all, __shfl_xor_sync(0xffffffffu, all, mask));
        if (lane == 0) results[(u64)number * gridDim.x + blockIdx.x] = all;
    }
}
