// What kernels are made of: stored numbers to singles, the elementwise operators as `lang::scalar` defines them, and sums.
// Plain C++ that NVRTC compiles for a GPU, and any compiler for the emulation in which the tests run it.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define THREADS 256
#define VECTOR 8
// Vectors of which a thread adds up the values in singles before it adds them to doubles.
#define GROUP 4

__device__ __forceinline__ float not_a_number() { return __uint_as_float(0x7fc00000u); }
__device__ __forceinline__ bool is_nan(float x) { return x != x; }

__device__ __forceinline__ float widen_bf16(u32 bits) { return __uint_as_float(bits << 16); }

// A half's bits, read as a single's, give 2^-112 times the number, subnormal ones included.
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
typedef Half<widen_bf16> BF16;

// ---- elementwise operators -------------------------------------------------------------------------------------------------

__device__ __forceinline__ float op_neg(float x) { return -x; }
__device__ __forceinline__ float op_abs(float x) { return fabsf(x); }
__device__ __forceinline__ float op_sqrt(float x) { return x < 0.0f ? 0.0f : sqrtf(x); }
__device__ __forceinline__ float op_square(float x) { return x * x; }
__device__ __forceinline__ float op_exp(float x) { return expf(x); }
__device__ __forceinline__ float op_log(float x) { return x <= 0.0f ? 0.0f : logf(x); }
__device__ __forceinline__ float op_abs_log(float x) { return op_log(fabsf(x)); }
__device__ __forceinline__ float op_div(float x, float y) { return y == 0.0f && !is_nan(x) ? 0.0f : x / y; }
__device__ __forceinline__ float op_reciprocal(float x) { return op_div(1.0f, x); }
__device__ __forceinline__ float op_sigmoid(float x) {
    float e = expf(-fabsf(x));
    return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}
__device__ __forceinline__ float op_tanh(float x) { return tanhf(x); }
__device__ __forceinline__ float op_softplus(float x) { return x > 20.0f ? x : log1pf(expf(x)); }
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
    return p >= 0.0f ? -p * logf(inside) : 0.0f;
}
__device__ __forceinline__ float factor(float x) { return x == 0.0f ? 0.0f : log2f(fabsf(x)); }
// Extremes keep a NaN once they have met one.
__device__ __forceinline__ float lesser(float kept, float x) { return x < kept || is_nan(x) ? x : kept; }
__device__ __forceinline__ float larger(float kept, float x) { return x > kept || is_nan(x) ? x : kept; }

// ---- sums over a block of threads ------------------------------------------------------------------------------------------

__device__ __forceinline__ double plus(double a, double b) { return a + b; }
__device__ __forceinline__ double least_of(double a, double b) { return b < a || b != b ? b : a; }
__device__ __forceinline__ double most_of(double a, double b) { return b > a || b != b ? b : a; }

template <double (*COMBINE)(double, double)>
__device__ __forceinline__ double of_block(double value, double* shared) {
    u32 thread = threadIdx.x;
    shared[thread] = value;
    __syncthreads();
    // Halves in a fixed order: the same digits in every run.
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
