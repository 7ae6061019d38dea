// The backward pass through the operations between a decoder's matrix products, on numbers of type T.

__device__ __forceinline__ float capped(float x, float cap) { return cap > 0.0f ? cap * op_tanh(x / cap) : x; }

// Turns scores [rows, keys] into the shares of causal softmax. Rows are `queries` queries for each head,
// where the `heads` that share keys are adjacent and the first query has number `from`. A query sees the keys
// up to itself, or the last `window` of them if that is not 0. A block takes a row.
__device__ __forceinline__ u32 query_of(u32 queries, u32 heads, u32 from) { return from + blockIdx.x % (queries * heads) / heads; }

extern "C" __global__ void shares(
    const void* scores, u32 keys, u32 queries, u32 heads, u32 from, u32 window, u32 scale_bits, void* out
) {
    __shared__ double shared[THREADS];
    float scale = __uint_as_float(scale_bits);
    u64 start = (u64)blockIdx.x * keys;
    u32 query = query_of(queries, heads, from), first = window && query + 1 > window ? query + 1 - window : 0;
    float most = LOWEST;
    for (u32 at = first + threadIdx.x; at <= query; at += THREADS) most = most_or_nan(most, scale * T::one(scores, start + at));
    most = (float)of_block<most_of>(most, shared);
    double sum = 0.0;
    for (u32 at = first + threadIdx.x; at <= query; at += THREADS) sum += exponential(scale * T::one(scores, start + at) - most);
    float factor = 1.0f / (float)of_block<plus>(sum, shared);
    for (u32 at = threadIdx.x; at < keys; at += THREADS) {
        bool seen = at >= first && at <= query;
        T::put(out, start + at, seen ? factor * exponential(scale * T::one(scores, start + at) - most) : 0.0f);
    }
}

// The gradient with respect to scores, from the shares and the gradient with respect to them: unseen keys
// have no share.
extern "C" __global__ void shares_back(
    const void* shares, const void* gradients, u32 keys, u32 queries, u32 heads, u32 from, u32 scale_bits, void* out
) {
    __shared__ double shared[THREADS];
    float scale = __uint_as_float(scale_bits);
    u64 start = (u64)blockIdx.x * keys;
    u32 end = query_of(queries, heads, from) + 1;
    double sum = 0.0;
    for (u32 at = threadIdx.x; at < end; at += THREADS) sum += T::one(shares, start + at) * T::one(gradients, start + at);
    float mean = (float)of_block<plus>(sum, shared);
    for (u32 at = threadIdx.x; at < keys; at += THREADS) {
        float slope = at < end ? scale * T::one(shares, start + at) * (T::one(gradients, start + at) - mean) : 0.0f;
        T::put(out, start + at, slope);
    }
}

// How far a model's probabilities exceed a dense model's, times a factor, f32 [positions, vocabulary], from
// both models' logits before their cap. Without a dense model, the reference is 1 at the target and 0
// elsewhere. A block takes a position.
extern "C" __global__ void excess(
    const void* logits, const void* dense, const u32* targets, u32 vocabulary, u32 cap_bits, u32 has_dense, u32 factor_bits, float* out
) {
    __shared__ double shared[THREADS];
    float cap = __uint_as_float(cap_bits), factor = __uint_as_float(factor_bits);
    u64 start = (u64)blockIdx.x * vocabulary;
    u32 target = targets[blockIdx.x];
    float most[2] = {LOWEST, LOWEST}, share[2] = {0.0f, 0.0f};
    for (u32 of = 0; of < 1 + has_dense; of++) {
        const void* all = of ? dense : logits;
        float own = LOWEST;
        for (u32 at = threadIdx.x; at < vocabulary; at += THREADS) own = most_or_nan(own, capped(T::one(all, start + at), cap));
        most[of] = (float)of_block<most_of>(own, shared);
        double sum = 0.0;
        for (u32 at = threadIdx.x; at < vocabulary; at += THREADS) sum += exponential(capped(T::one(all, start + at), cap) - most[of]);
        share[of] = factor / (float)of_block<plus>(sum, shared);
    }
    for (u32 at = threadIdx.x; at < vocabulary; at += THREADS) {
        float own = share[0] * exponential(capped(T::one(logits, start + at), cap) - most[0]);
        float other = has_dense ? share[1] * exponential(capped(T::one(dense, start + at), cap) - most[1]) : at == target ? factor : 0.0f;
        out[start + at] = own - other;
    }
}

// The gradient with respect to the input of a root-mean-square norm; a warp takes a row, as in the forward
// pass.
extern "C" __global__ void root_mean_square_back(
    const void* input, const void* weight, const void* gradients, u32 rows, u32 columns, u32 epsilon, void* out
) {
    u32 row = blockIdx.x * (THREADS / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    u64 start = (u64)row * columns;
    float squares = 0.0f, along = 0.0f, x[VECTOR], w[VECTOR], g[VECTOR];
    for (u32 column = lane * VECTOR; column < columns; column += 32 * VECTOR) {
        T::vector(input, start + column, x);
        T::vector(weight, column, w);
        T::vector(gradients, start + column, g);
        #pragma unroll
        for (int i = 0; i < VECTOR; i++) {
            squares = fmaf(x[i], x[i], squares);
            along = fmaf(g[i] * w[i], x[i], along);
        }
    }
    for (u32 mask = 16; mask > 0; mask /= 2) {
        squares += __shfl_xor_sync(0xffffffffu, squares, mask);
        along += __shfl_xor_sync(0xffffffffu, along, mask);
    }
    float mean = squares / (float)columns + __uint_as_float(epsilon), factor = 1.0f / sqrtf(mean);
    float back = along * factor / (mean * (float)columns);
    for (u32 column = lane * VECTOR; column < columns; column += 32 * VECTOR) {
        T::vector(input, start + column, x);
        T::vector(weight, column, w);
        T::vector(gradients, start + column, g);
        #pragma unroll
        for (int i = 0; i < VECTOR; i++) x[i] = factor * g[i] * w[i] - back * x[i];
        T::put_vector(out, start + column, x);
    }
}

// An activation and its derivative.
struct Activated { float value, slope; };
struct Silu {
    static __device__ __forceinline__ Activated at(float x) {
        float share = reciprocal_of(1.0f + exponential(-x));
        return {x * share, share * (1.0f + x * (1.0f - share))};
    }
};
struct GeluTanh {
    static __device__ __forceinline__ Activated at(float x) {
        float share = reciprocal_of(1.0f + exponential(-x * (1.595769122f + 0.0713548163f * x * x)));
        return {x * share, share + x * share * (1.0f - share) * (1.595769122f + 0.2140644489f * x * x)};
    }
};
struct Gelu {
    static __device__ __forceinline__ Activated at(float x) {
        float share = 0.5f * (1.0f + erff(x * 0.707106781f));
        return {x * share, share + x * 0.39894228f * exponential(-0.5f * x * x)};
    }
};
struct Relu {
    static __device__ __forceinline__ Activated at(float x) { return {x > 0.0f ? x : 0.0f, x > 0.0f ? 1.0f : 0.0f}; }
};

// The gradients with respect to a gate and its other factor.
template <typename ACTIVATION>
__device__ __forceinline__ void gated_back(
    const void* gate, const void* up, const void* gradients, u64 n, void* of_gate, void* of_up
) {
    u64 at = ((u64)blockIdx.x * THREADS + threadIdx.x) * VECTOR;
    for (u64 end = at + VECTOR < n ? at + VECTOR : n; at < end; at++) {
        Activated gated = ACTIVATION::at(T::one(gate, at));
        float gradient = T::one(gradients, at);
        T::put(of_gate, at, gradient * gated.slope * T::one(up, at));
        T::put(of_up, at, gradient * gated.value);
    }
}

#define GATED_BACK(NAME, ACTIVATION) \
    extern "C" __global__ void NAME( \
        const void* gate, const void* up, const void* gradients, u64 n, void* of_gate, void* of_up \
    ) { \
        gated_back<ACTIVATION>(gate, up, gradients, n, of_gate, of_up); \
    }
GATED_BACK(gated_silu_back, Silu)
GATED_BACK(gated_gelu_tanh_back, GeluTanh)
GATED_BACK(gated_gelu_back, Gelu)
GATED_BACK(gated_relu_back, Relu)
