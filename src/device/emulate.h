// Emulates a GPU's block of threads on one core, for tests: each thread is a coroutine that yields at a
// barrier.

#define EMULATED

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static
#define __restrict__
#define __launch_bounds__(threads, blocks)

using std::isinf;

struct uint4 { unsigned x, y, z, w; };
struct uint2 { unsigned x, y; };
struct float4 { float x, y, z, w; };
struct Place { unsigned x; };

static Place threadIdx, blockIdx, gridDim;
static ucontext_t scheduler, threads[256];
static bool finished[256];
static void (*run)();

// A barrier for threads: all threads of a block, or the 32 of a warp.
struct Barrier {
    unsigned expected, arrived, generation;
    void open() { arrived = 0; generation++; }
    void leave() { if (--expected > 0 && arrived == expected) open(); }
};
static Barrier of_block_threads, of_warps[8];
static inline void wait(Barrier& barrier) {
    unsigned self = threadIdx.x, generation = barrier.generation;
    if (++barrier.arrived == barrier.expected) { barrier.open(); return; }
    while (generation == barrier.generation) swapcontext(&threads[self], &scheduler);
}

static inline float __uint_as_float(unsigned bits) { float x; std::memcpy(&x, &bits, 4); return x; }
static inline unsigned __float_as_uint(float x) { unsigned bits; std::memcpy(&bits, &x, 4); return bits; }
static inline unsigned atomicAdd(unsigned* at, unsigned more) { unsigned old = *at; *at += more; return old; }
static inline void __syncthreads() { wait(of_block_threads); }
static inline void __syncwarp() { wait(of_warps[threadIdx.x / 32]); }

static inline int __syncthreads_or(int value) {
    static int any[2];
    static unsigned turn;
    unsigned own = turn;
    any[own % 2] |= value;
    __syncthreads();
    int result = any[own % 2];
    // The first thread to pass clears the other cell, which all threads have read, and advances the turn.
    if (turn == own) { any[(own + 1) % 2] = 0; turn++; }
    __syncthreads();
    return result;
}

// Values that the lanes of a warp exchange.
static unsigned shown[256][8];
static const void* pointed[256];

template <typename T> static inline T shuffle(T value, unsigned lane) {
    unsigned self = threadIdx.x, first = self / 32 * 32;
    std::memcpy(shown[self], &value, sizeof(T));
    __syncwarp();
    T other;
    std::memcpy(&other, shown[first + lane % 32], sizeof(T));
    __syncwarp();
    return other;
}
static inline unsigned __ballot_sync(unsigned, unsigned value) {
    unsigned self = threadIdx.x, first = self / 32 * 32, all = 0;
    shown[self][0] = value != 0;
    __syncwarp();
    for (unsigned lane = 0; lane < 32; lane++) all |= shown[first + lane][0] << lane;
    __syncwarp();
    return all;
}
static inline unsigned __popc(unsigned bits) { return __builtin_popcount(bits); }
template <typename T> static inline T __shfl_xor_sync(unsigned, T value, unsigned mask) {
    return shuffle(value, threadIdx.x % 32 ^ mask);
}

// A warp's tensor core product of bfloat16 matrices `a` [16, 16] and `b` [16, 8], added to `d` [16, 8].
static inline void warp_product(float* d, const unsigned* a, const unsigned* b) {
    unsigned self = threadIdx.x, first = self / 32 * 32, lane = self % 32;
    std::memcpy(shown[self], a, 16);
    std::memcpy(shown[self] + 4, b, 8);
    __syncwarp();
    auto half = [](unsigned both, unsigned which) {
        return __uint_as_float((which ? both >> 16 : both & 0xffffu) << 16);
    };
    for (unsigned i = 0; i < 4; i++) {
        unsigned row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        double sum = d[i];
        for (unsigned k = 0; k < 16; k++) {
            unsigned of_a = first + row % 8 * 4 + k % 8 / 2, of_b = first + column * 4 + k % 8 / 2;
            sum += (double)half(shown[of_a][row / 8 + k / 8 * 2], k % 2) * half(shown[of_b][4 + k / 8], k % 2);
        }
        d[i] = (float)sum;
    }
    __syncwarp();
}

// Loads four matrices of 8 rows of 16 bytes, whose rows the lanes point to; each lane gets two numbers of
// each matrix.
static inline void load_matrices(unsigned* to, const void* row, bool across) {
    unsigned self = threadIdx.x, first = self / 32 * 32, lane = self % 32;
    pointed[self] = row;
    __syncwarp();
    for (unsigned i = 0; i < 4; i++) {
        uint16_t halves[2];
        for (unsigned j = 0; j < 2; j++) {
            unsigned line = across ? lane % 4 * 2 + j : lane / 4, place = across ? lane / 4 : lane % 4 * 2 + j;
            halves[j] = ((const uint16_t*)pointed[first + i * 8 + line])[place];
        }
        to[i] = halves[0] | (unsigned)halves[1] << 16;
    }
    __syncwarp();
}

static void thread_main() {
    run();
    finished[threadIdx.x] = true;
    of_block_threads.leave();
    of_warps[threadIdx.x / 32].leave();
}

static void emulate(unsigned blocks, void (*kernel)()) {
    static std::vector<char> stacks(256 * 65536);
    run = kernel;
    gridDim.x = blocks;
    for (unsigned block = 0; block < blocks; block++) {
        blockIdx.x = block;
        of_block_threads = {256, 0, 0};
        for (auto& warp : of_warps) warp = {32, 0, 0};
        for (unsigned thread = 0; thread < 256; thread++) {
            finished[thread] = false;
            getcontext(&threads[thread]);
            threads[thread].uc_stack.ss_sp = stacks.data() + thread * 65536;
            threads[thread].uc_stack.ss_size = 65536;
            threads[thread].uc_link = &scheduler;
            makecontext(&threads[thread], thread_main, 0);
        }
        for (unsigned left = 256; left > 0;) {
            for (unsigned thread = 0; thread < 256; thread++) {
                if (finished[thread]) continue;
                threadIdx.x = thread;
                swapcontext(&scheduler, &threads[thread]);
                left -= finished[thread];
            }
        }
    }
}

// A buffer that converts to whatever pointer the kernel takes.
struct Any {
    void* at;
    template <typename T> operator T*() const { return (T*)at; }
};

static std::vector<std::vector<char>> buffers;

// The addresses of several buffers; each list is made once, before the first thread reads it.
static const void* const* list(unsigned which, unsigned first, unsigned count) {
    static std::vector<const void*> lists[4];
    for (unsigned i = lists[which].size(); i < count; i++) lists[which].push_back(buffers[first + i].data());
    return lists[which].data();
}

static void read_buffers(const char* path) {
    std::FILE* file = std::fopen(path, "rb");
    for (uint64_t size = 0; std::fread(&size, 8, 1, file) == 1;) {
        buffers.emplace_back(size);
        if (size && std::fread(buffers.back().data(), 1, size, file) != size) std::exit(3);
    }
    std::fclose(file);
}

static void write_buffers(const char* path, unsigned from) {
    std::FILE* file = std::fopen(path, "wb");
    for (unsigned i = from; i < buffers.size(); i++) std::fwrite(buffers[i].data(), 1, buffers[i].size(), file);
    std::fclose(file);
}
