// The shared parts of kernels: conversion of stored numbers to f32, the elementwise operators as
// `lang::scalar` defines them, and sums. Plain C++ that NVRTC compiles for a GPU, and any compiler for the
// emulation in which the tests run it.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

// Below all numbers.
#define LOWEST __uint_as_float(0xff800000u)
#define THREADS 256
#define VECTOR 8
// Number of vectors whose values a thread sums in f32 before it adds them to f64.
#define GROUP 4

__device__ __forceinline__ float not_a_number() { return __uint_as_float(0x7fc00000u); }
__device__ __forceinline__ bool is_nan(float x) { return x != x; }

// ---- intrinsics of the processor that runs a kernel -----------------------------------------------------------------------

#ifdef EMULATED
__device__ __forceinline__ float power_of_two(float x) { return exp2f(x); }
__device__ __forceinline__ float log_of_two(float x) { return log2f(x); }
__device__ __forceinline__ float log_of_normal(float x) { return log2f(x); }
__device__ __forceinline__ float reciprocal_of(float x) { return 1.0f / x; }
__device__ __forceinline__ float least_or_nan(float x, float y) { return is_nan(x) || is_nan(y) ? not_a_number() : (y < x ? y : x); }
__device__ __forceinline__ float most_or_nan(float x, float y) { return is_nan(x) || is_nan(y) ? not_a_number() : (y > x ? y : x); }
__device__ __forceinline__ u32 one_bf16(float x) {
    u32 bits = __float_as_uint(x);
    return is_nan(x) ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
__device__ __forceinline__ u32 two_bf16(float low, float high) { return one_bf16(low) | one_bf16(high) << 16; }
#define SHARED_BYTES(name) alignas(16) static unsigned char name[232448]
#else
__device__ __forceinline__ float power_of_two(float x) { float y; asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }
__device__ __forceinline__ float log_of_two(float x) { float y; asm("lg2.approx.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }
// 1 / x to a unit in the last place, for a normal number.
__device__ __forceinline__ float reciprocal_of(float x) { float y; asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }
// The base-2 logarithm of a normal number.
__device__ __forceinline__ float log_of_normal(float x) { float y; asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x)); return y; }
__device__ __forceinline__ float least_or_nan(float x, float y) { float z; asm("min.NaN.f32 %0, %1, %2;" : "=f"(z) : "f"(x), "f"(y)); return z; }
__device__ __forceinline__ float most_or_nan(float x, float y) { float z; asm("max.NaN.f32 %0, %1, %2;" : "=f"(z) : "f"(x), "f"(y)); return z; }
__device__ __forceinline__ u32 two_bf16(float low, float high) {
    u32 both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}
__device__ __forceinline__ u32 one_bf16(float x) { return two_bf16(x, 0.0f) & 0xffffu; }
#define SHARED_BYTES(name) extern __shared__ __align__(16) unsigned char name[]
#endif

// exp(x) with a relative error of 1e-7 (1 + |x|); subnormal results become 0.
__device__ __forceinline__ float exponential(float x) { return power_of_two(x * 1.44269504f); }

// log(x) of a nonnegative number, to 2^-22 if the logarithm is near 0 and to 2 units in the last place
// elsewhere.
__device__ __forceinline__ float logarithm(float x) { return log_of_two(x) * 0.693147181f; }

__device__ __forceinline__ float widen_bf16(u32 bits) { return __uint_as_float(bits << 16); }

// An f16's bits, read as those of an f32, give 2^-112 times the number, including subnormal ones.
__device__ __forceinline__ float widen_f16(u32 bits) {
    float size = __uint_as_float((bits & 0x7fffu) << 13) * 5.192296858534828e33f;
    u32 special = size >= 65536.0f ? 0x7f800000u : 0u;
    return __uint_as_float(__float_as_uint(size) | special | ((bits & 0x8000u) << 16));
}

struct F32 {
    static __device__ __forceinline__ float one(const void* all, u64 at) { return ((const float*)all)[at]; }
    static __device__ __forceinline__ void vector(const void* all, u64 at, float* out) {
        const float4* from = (const float4*)((const float*)all + at);
        float4 a = from[0], b = from[1];
        out[0] = a.x; out[1] = a.y; out[2] = a.z; out[3] = a.w;
        out[4] = b.x; out[5] = b.y; out[6] = b.z; out[7] = b.w;
    }
    static __device__ __forceinline__ void put(void* all, u64 at, float x) { ((float*)all)[at] = x; }
    static __device__ __forceinline__ void put_vector(void* all, u64 at, const float* x) {
        float4* to = (float4*)((float*)all + at);
        to[0] = float4{x[0], x[1], x[2], x[3]};
        to[1] = float4{x[4], x[5], x[6], x[7]};
    }
};

template <float (*WIDEN)(u32)> struct Half {
    static __device__ __forceinline__ float one(const void* all, u64 at) { return WIDEN(((const u16*)all)[at]); }
    static __device__ __forceinline__ void vector(const void* all, u64 at, float* out) {
        uint4 v = *(const uint4*)((const u16*)all + at);
        out[0] = WIDEN(v.x & 0xffffu); out[1] = WIDEN(v.x >> 16);
        out[2] = WIDEN(v.y & 0xffffu); out[3] = WIDEN(v.y >> 16);
        out[4] = WIDEN(v.z & 0xffffu); out[5] = WIDEN(v.z >> 16);
        out[6] = WIDEN(v.w & 0xffffu); out[7] = WIDEN(v.w >> 16);
    }
};
typedef Half<widen_f16> F16;
struct BF16 : Half<widen_bf16> {
    static __device__ __forceinline__ void put(void* all, u64 at, float x) { ((u16*)all)[at] = (u16)one_bf16(x); }
    static __device__ __forceinline__ void put_vector(void* all, u64 at, const float* x) {
        *(uint4*)((u16*)all + at) =
            uint4{two_bf16(x[0], x[1]), two_bf16(x[2], x[3]), two_bf16(x[4], x[5]), two_bf16(x[6], x[7])};
    }
};

// ---- elementwise operators -------------------------------------------------------------------------------------------------

__device__ __forceinline__ float op_neg(float x) { return -x; }
__device__ __forceinline__ float op_abs(float x) { return fabsf(x); }
__device__ __forceinline__ float op_sqrt(float x) { return x < 0.0f ? 0.0f : sqrtf(x); }
__device__ __forceinline__ float op_square(float x) { return x * x; }
__device__ __forceinline__ float op_exp(float x) { return exponential(x); }
__device__ __forceinline__ float op_log(float x) { return x <= 0.0f ? 0.0f : logarithm(x); }
__device__ __forceinline__ float op_abs_log(float x) { return op_log(fabsf(x)); }
__device__ __forceinline__ float op_div(float x, float y) { return y == 0.0f && !is_nan(x) ? 0.0f : x / y; }
__device__ __forceinline__ float op_reciprocal(float x) { return op_div(1.0f, x); }
__device__ __forceinline__ float op_sigmoid(float x) {
    float e = exponential(-fabsf(x));
    return (x >= 0.0f ? 1.0f : e) * reciprocal_of(1.0f + e);
}
__device__ __forceinline__ float op_tanh(float x) {
    // Near 0 a polynomial, because 1 - 2 / (1 + exp(2x)) would lose digits.
    float square = x * x;
    float near = fmaf(fmaf(fmaf(-0.0539682540f, square, 0.133333333f), square, -0.333333333f), square * x, x);
    float far = fmaf(-2.0f, reciprocal_of(1.0f + exponential(2.0f * fabsf(x))), 1.0f);
    return fabsf(x) < 0.2f ? near : copysignf(far, x);
}
__device__ __forceinline__ float op_softplus(float x) {
    float e = exponential(-fabsf(x));
    // log(1 + e), by its series where 1 + e would lose the digits of e.
    float near = fmaf(fmaf(fmaf(-0.25f, e, 0.333333333f), e, -0.5f), e * e, e);
    float more = e < 0.0078125f ? near : log_of_normal(1.0f + e) * 0.693147181f;
    return x > 20.0f ? x : (x > 0.0f ? x + more : more);
}
__device__ __forceinline__ float op_sin(float x) { return sinf(x); }
__device__ __forceinline__ float op_cos(float x) { return cosf(x); }
__device__ __forceinline__ float op_tan(float x) { return tanf(x); }
__device__ __forceinline__ float clamped(float x) { return x < -1.0f ? -1.0f : (x > 1.0f ? 1.0f : x); }
__device__ __forceinline__ float op_asin(float x) { return asinf(clamped(x)); }
__device__ __forceinline__ float op_acos(float x) { return acosf(clamped(x)); }
__device__ __forceinline__ float op_atan(float x) { return atanf(x); }
__device__ __forceinline__ float op_relu(float x) { return x < 0.0f ? 0.0f : x; }
__device__ __forceinline__ float op_dsa_log(float x) { return logf((x <= 0.0f ? 1.0f : x) + 1e-6f); }
__device__ __forceinline__ float op_raw_log(float x) { return logf(x); }
__device__ __forceinline__ float op_raw_asin(float x) { return asinf(x); }
__device__ __forceinline__ float op_raw_acos(float x) { return acosf(x); }
__device__ __forceinline__ float op_sanitize(float x) { return is_nan(x) ? 0.0f : (isinf(x) ? -1.0f : x); }

__device__ __forceinline__ float op_add(float x, float y) { return x + y; }
__device__ __forceinline__ float op_sub(float x, float y) { return x - y; }
__device__ __forceinline__ float op_mul(float x, float y) { return x * y; }
__device__ __forceinline__ float op_power(float x, float y) {
    if (is_nan(x) || is_nan(y)) return not_a_number();
    if (x == 0.0f && y < 0.0f) return 0.0f;
    if (x < 0.0f && !isinf(y) && y != truncf(y)) return 0.0f;
    if (y == 2.0f) return x * x;
    if (y == 0.5f) return op_sqrt(x);
    if (y == -1.0f) return op_reciprocal(x);
    return powf(x, y);
}
__device__ __forceinline__ float truth(bool holds, float x, float y) {
    return is_nan(x) || is_nan(y) ? not_a_number() : (holds ? 1.0f : 0.0f);
}
__device__ __forceinline__ float op_less(float x, float y) { return truth(x < y, x, y); }
__device__ __forceinline__ float op_less_equal(float x, float y) { return truth(x <= y, x, y); }
__device__ __forceinline__ float op_greater(float x, float y) { return truth(x > y, x, y); }
__device__ __forceinline__ float op_greater_equal(float x, float y) { return truth(x >= y, x, y); }
__device__ __forceinline__ float op_minimum(float x, float y) { return is_nan(x) || x < y ? x : y; }
__device__ __forceinline__ float op_maximum(float x, float y) { return is_nan(x) || x > y ? x : y; }
__device__ __forceinline__ float op_select(float condition, float x, float y) {
    return is_nan(condition) ? condition : (condition != 0.0f ? x : y);
}

// ---- terms of tallies ------------------------------------------------------------------------------------------------------

__device__ __forceinline__ float x_log_x(float x) { return x * op_log(x); }
__device__ __forceinline__ float not_negative(float x) { return x >= 0.0f ? x : 0.0f; }
__device__ __forceinline__ float probability(float p) {
    const float least = 1.1920928955078125e-07f;
    float inside = p < least ? least : (p > 1.0f - least ? 1.0f - least : p);
    return p >= 0.0f ? -p * (log_of_normal(inside) * 0.693147181f) : 0.0f;
}
__device__ __forceinline__ float factor(float x) { return x == 0.0f ? 0.0f : log_of_two(fabsf(x)); }
// Extremes stay NaN after the first NaN.
__device__ __forceinline__ float lesser(float kept, float x) { return least_or_nan(kept, x); }
__device__ __forceinline__ float larger(float kept, float x) { return most_or_nan(kept, x); }

// ---- sums over a block of threads ------------------------------------------------------------------------------------------

__device__ __forceinline__ double plus(double a, double b) { return a + b; }
__device__ __forceinline__ double least_of(double a, double b) { return b < a || b != b ? b : a; }
__device__ __forceinline__ double most_of(double a, double b) { return b > a || b != b ? b : a; }

// How two numbers are combined: 0 for a sum, 1 for the lower, 2 for the higher.
__device__ __forceinline__ double combined(u32 way, double a, double b) {
    return way == 0 ? plus(a, b) : way == 1 ? least_of(a, b) : most_of(a, b);
}

template <double (*COMBINE)(double, double)>
__device__ __forceinline__ double of_block(double value, double* shared) {
    u32 thread = threadIdx.x;
    shared[thread] = value;
    __syncthreads();
    // Halves in a fixed order: every run gives the same digits.
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        if (thread < half) shared[thread] = COMBINE(shared[thread], shared[thread + half]);
        __syncthreads();
    }
    double total = shared[0];
    __syncthreads();
    return total;
}

// Bits whose order as whole numbers is the order of the numbers.
__device__ __forceinline__ u32 ordered_bits(float x) {
    u32 bits = __float_as_uint(x);
    return bits ^ ((bits >> 31) ? 0xffffffffu : 0x80000000u);
}
