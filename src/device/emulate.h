// A GPU's block of threads on one core, for tests: each thread is a coroutine that others overtake at a barrier.

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

using std::isinf;

struct uint4 { unsigned x, y, z, w; };
struct float4 { float x, y, z, w; };
struct Place { unsigned x; };

static Place threadIdx, blockIdx, gridDim;
static ucontext_t scheduler, threads[256];
static bool finished[256];
static void (*run)();

static inline float __uint_as_float(unsigned bits) { float x; std::memcpy(&x, &bits, 4); return x; }
static inline unsigned __float_as_uint(float x) { unsigned bits; std::memcpy(&bits, &x, 4); return bits; }
static inline unsigned atomicAdd(unsigned* at, unsigned more) { unsigned old = *at; *at += more; return old; }
static inline void __syncthreads() { unsigned self = threadIdx.x; swapcontext(&threads[self], &scheduler); }

static void thread_main() { run(); finished[threadIdx.x] = true; }

static void emulate(unsigned blocks, void (*kernel)()) {
    static std::vector<char> stacks(256 * 65536);
    run = kernel;
    gridDim.x = blocks;
    for (unsigned block = 0; block < blocks; block++) {
        blockIdx.x = block;
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

// A buffer as whatever pointer the kernel takes.
struct Any {
    void* at;
    template <typename T> operator T*() const { return (T*)at; }
};

static std::vector<std::vector<char>> buffers;

static void read_buffers(const char* path, unsigned count) {
    std::FILE* file = std::fopen(path, "rb");
    for (unsigned i = 0; i < count; i++) {
        uint64_t size = 0;
        if (std::fread(&size, 8, 1, file) != 1) std::exit(3);
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
