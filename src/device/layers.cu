// The operations between a decoder's matrix products, on numbers of type T: one pass over memory for each of
// them.

__device__ __forceinline__ float silu(float x) { return x * reciprocal_of(1.0f + exponential(-x)); }
__device__ __forceinline__ float gelu_tanh(float x) {
    return x * reciprocal_of(1.0f + exponential(-x * (1.595769122f + 0.0713548163f * x * x)));
}
__device__ __forceinline__ float gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.707106781f)); }
__device__ __forceinline__ float relu(float x) { return op_relu(x); }
__device__ __forceinline__ float sum_of(float x, float y) { return x + y; }
template <float (*ACTIVATION)(float)> __device__ __forceinline__ float gate_of(float x, float y) { return ACTIVATION(x) * y; }

// Combines the numbers of two tensors elementwise.
template <float (*JOIN)(float, float)>
__device__ __forceinline__ void joined(const void* first, const void* second, u64 n, void* out) {
    u64 at = ((u64)blockIdx.x * THREADS + threadIdx.x) * VECTOR;
    if (at + VECTOR <= n) {
        float x[VECTOR], y[VECTOR];
        T::vector(first, at, x);
        T::vector(second, at, y);
        #pragma unroll
        for (int i = 0; i < VECTOR; i++) x[i] = JOIN(x[i], y[i]);
        T::put_vector(out, at, x);
    } else {
        for (; at < n; at++) T::put(out, at, JOIN(T::one(first, at), T::one(second, at)));
    }
}

extern "C" __global__ void add(const void* first, const void* second, u64 n, void* out) {
    joined<sum_of>(first, second, n, out);
}
extern "C" __global__ void gated_silu(const void* gate, const void* up, u64 n, void* out) {
    joined<gate_of<silu>>(gate, up, n, out);
}
extern "C" __global__ void gated_gelu_tanh(const void* gate, const void* up, u64 n, void* out) {
    joined<gate_of<gelu_tanh>>(gate, up, n, out);
}
extern "C" __global__ void gated_gelu(const void* gate, const void* up, u64 n, void* out) {
    joined<gate_of<gelu>>(gate, up, n, out);
}
extern "C" __global__ void gated_relu(const void* gate, const void* up, u64 n, void* out) {
    joined<gate_of<relu>>(gate, up, n, out);
}

__device__ __forceinline__ float of_warp(float x) {
    for (u32 mask = 16; mask > 0; mask /= 2) x += __shfl_xor_sync(0xffffffffu, x, mask);
    return x;
}

// Each row divided by its root mean square, times a weight; a warp takes a row. `columns` is a multiple of
// VECTOR.
extern "C" __global__ void root_mean_square(
    const void* input, const void* weight, u32 rows, u32 columns, u32 epsilon, void* out
) {
    u32 row = blockIdx.x * (THREADS / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    u64 start = (u64)row * columns;
    float sum = 0.0f, x[VECTOR], w[VECTOR];
    for (u32 column = lane * VECTOR; column < columns; column += 32 * VECTOR) {
        T::vector(input, start + column, x);
        #pragma unroll
        for (int i = 0; i < VECTOR; i++) sum = fmaf(x[i], x[i], sum);
    }
    float mean = of_warp(sum) / (float)columns;
    float factor = 1.0f / sqrtf(mean + __uint_as_float(epsilon));
    for (u32 column = lane * VECTOR; column < columns; column += 32 * VECTOR) {
        T::vector(input, start + column, x);
        T::vector(weight, column, w);
        #pragma unroll
        for (int i = 0; i < VECTOR; i++) x[i] = x[i] * factor * w[i];
        T::put_vector(out, start + column, x);
    }
}

// Rotates the first `rotated` channels of heads [samples, length, heads, size] by the angles [length, rotated
// / 2]; the others pass through. A thread takes VECTOR pairs, or VECTOR of the channels that pass through;
// both counts are whole.
extern "C" __global__ void rotate(
    const void* input, const void* cosines, const void* sines, u64 n, u32 length, u32 heads, u32 size, u32 rotated, void* out
) {
    u32 half = rotated / 2, pairs = half / VECTOR, parts = pairs + (size - rotated) / VECTOR;
    u64 task = (u64)blockIdx.x * THREADS + threadIdx.x;
    if (task >= n) return;
    u64 head = task / parts, start = head * size;
    u32 part = (u32)(task % parts), position = (u32)(head / heads % length);
    float x[VECTOR], y[VECTOR], c[VECTOR], s[VECTOR];
    if (part >= pairs) {
        u64 at = start + rotated + (part - pairs) * VECTOR;
        T::vector(input, at, x);
        T::put_vector(out, at, x);
        return;
    }
    u64 at = start + part * VECTOR, angle = (u64)position * half + part * VECTOR;
    T::vector(input, at, x);
    T::vector(input, at + half, y);
    T::vector(cosines, angle, c);
    T::vector(sines, angle, s);
    #pragma unroll
    for (int i = 0; i < VECTOR; i++) {
        float first = x[i];
        x[i] = fmaf(first, c[i], -(y[i] * s[i]));
        y[i] = fmaf(y[i], c[i], first * s[i]);
    }
    T::put_vector(out, at, x);
    T::put_vector(out, at + half, y);
}

// Weights with 0 where a rank within the row, or within a group of `width` columns, is below the bound. If
// `width` is 0, the bound of row r is the number of whole numbers between r * pruned / rows and (r + 1) *
// pruned / rows; else it is `of_group`, or `of_last` for a narrower group.
__device__ __forceinline__ u32 bound_of(
    u32 row, u32 column, u32 rows, u32 columns, u64 pruned, u32 width, u32 of_group, u32 of_last
) {
    if (width) return columns - column / width * width < width ? of_last : of_group;
    // The quotient first, then the remainder, so that the products do not overflow.
    u64 rest = pruned % rows;
    return (u32)(pruned / rows + ((row + 1) * rest / rows - row * rest / rows));
}
extern "C" __global__ void without_least(
    const void* weight, const void* all_ranks, u32 rows, u32 columns, u64 pruned, u32 width, u32 of_group, u32 of_last, void* out
) {
    const u16* ranks = (const u16*)all_ranks;
    u64 n = (u64)rows * columns, at = ((u64)blockIdx.x * THREADS + threadIdx.x) * VECTOR;
    if (at >= n) return;
    u32 row = (u32)(at / columns), column = (u32)(at % columns);
    if (columns % VECTOR == 0) {
        float w[VECTOR];
        uint4 r = *(const uint4*)(ranks + at);
        u32 pairs[4] = {r.x, r.y, r.z, r.w};
        T::vector(weight, at, w);
        u32 bound = bound_of(row, column, rows, columns, pruned, width, of_group, of_last);
        #pragma unroll
        for (int i = 0; i < VECTOR; i++) {
            if (width) bound = bound_of(row, column + i, rows, columns, pruned, width, of_group, of_last);
            u32 rank = i % 2 ? pairs[i / 2] >> 16 : pairs[i / 2] & 0xffffu;
            w[i] = rank < bound ? 0.0f : w[i];
        }
        T::put_vector(out, at, w);
        return;
    }
    for (u64 end = at + VECTOR < n ? at + VECTOR : n; at < end; at++) {
        u32 bound = bound_of(row, column, rows, columns, pruned, width, of_group, of_last);
        T::put(out, at, ranks[at] < bound ? 0.0f : T::one(weight, at));
        if (++column == columns) { column = 0; row++; }
    }
}

// Weights with 0 where a rank within the row is below the row's own bound.
extern "C" __global__ void without_each(const void* weight, const u16* ranks, const u32* bounds, u32 rows, u32 columns, void* out) {
    u64 n = (u64)rows * columns, at = ((u64)blockIdx.x * THREADS + threadIdx.x) * VECTOR;
    if (at >= n) return;
    u32 row = (u32)(at / columns), column = (u32)(at % columns);
    for (u64 end = at + VECTOR < n ? at + VECTOR : n; at < end; at++) {
        T::put(out, at, ranks[at] < bounds[row] ? 0.0f : T::one(weight, at));
        if (++column == columns) { column = 0; row++; }
    }
}

// Minus the sum of gradients times weights, over the weights of a row whose rank is at least ranges[2 * row]
// and below ranges[2 * row + 1]. A block takes a row of one sample's gradients, [samples, rows, columns];
// ranks have 32 bits if they are `wide`, else 16.
extern "C" __global__ void around(
    const void* gradients, const void* weight, const void* ranks, const u32* ranges, u32 rows, u32 columns, u32 wide, double* out
) {
    __shared__ double shared[THREADS];
    u32 row = blockIdx.x % rows, from = ranges[2 * row], end = ranges[2 * row + 1];
    u64 own = (u64)blockIdx.x * columns, start = (u64)row * columns;
    double sum = 0.0;
    for (u32 column = threadIdx.x; column < columns; column += THREADS) {
        u64 at = start + column;
        u32 rank = wide ? ((const u32*)ranks)[at] : (u32)((const u16*)ranks)[at];
        if (rank >= from && rank < end) sum -= (double)(T::one(gradients, own + column) * T::one(weight, at));
    }
    sum = of_block<plus>(sum, shared);
    if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

// Weights with 0 where a rank within the whole matrix is below `pruned`.
extern "C" __global__ void without_first(const void* weight, const u32* ranks, u64 n, u64 pruned, void* out) {
    u64 at = ((u64)blockIdx.x * THREADS + threadIdx.x) * VECTOR;
    if (at + VECTOR <= n) {
        float w[VECTOR];
        uint4 low = *(const uint4*)(ranks + at), high = *(const uint4*)(ranks + at + 4);
        u32 r[VECTOR] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
        T::vector(weight, at, w);
        #pragma unroll
        for (int i = 0; i < VECTOR; i++) w[i] = r[i] < pruned ? 0.0f : w[i];
        T::put_vector(out, at, w);
    } else {
        for (; at < n; at++) T::put(out, at, ranks[at] < pruned ? 0.0f : T::one(weight, at));
    }
}

// Weights with 0 at marks.
extern "C" __global__ void without_marked(const void* weight, const u8* marks, u64 n, void* out) {
    u64 at = ((u64)blockIdx.x * THREADS + threadIdx.x) * VECTOR;
    if (at + VECTOR <= n) {
        float w[VECTOR];
        uint2 some = *(const uint2*)(marks + at);
        T::vector(weight, at, w);
        #pragma unroll
        for (int i = 0; i < VECTOR; i++) w[i] = ((i < 4 ? some.x : some.y) >> i % 4 * 8 & 255u) ? 0.0f : w[i];
        T::put_vector(out, at, w);
    } else {
        for (; at < n; at++) T::put(out, at, marks[at] ? 0.0f : T::one(weight, at));
    }
}

// ---- losses ----------------------------------------------------------------------------------------------------------------

__device__ __forceinline__ float capped(float x, float cap) { return cap > 0.0f ? cap * op_tanh(x / cap) : x; }

// The running sums of a softmax, relative to a maximum; `gap` is the sum of exp(x - most) times the logit
// minus the other model's logit.
struct Softmax {
    float most;
    double sum, gap;
    __device__ __forceinline__ void join(const Softmax& other) {
        float larger = other.most > most ? other.most : most;
        if (larger == LOWEST) return;
        double own = exponential(most - larger), others = exponential(other.most - larger);
        sum = sum * own + other.sum * others;
        gap = gap * own + other.gap * others;
        most = larger;
    }
};

// Combines the sums of a block's threads, in a fixed order.
__device__ __forceinline__ Softmax of_block(Softmax own, Softmax* shared) {
    u32 thread = threadIdx.x;
    shared[thread] = own;
    __syncthreads();
    for (u32 half = THREADS / 2; half > 0; half /= 2) {
        if (thread < half) shared[thread].join(shared[thread + half]);
        __syncthreads();
    }
    Softmax all = shared[0];
    __syncthreads();
    return all;
}

// Adds several logits; `gaps` are the logits minus the other model's logits, or null.
__device__ __forceinline__ void take(Softmax& softmax, const float* logits, const float* gaps, u32 count) {
    float most = softmax.most;
    for (u32 i = 0; i < count; i++) most = most_or_nan(most, logits[i]);
    if (most != softmax.most) {
        double own = softmax.most == LOWEST ? 0.0 : exponential(softmax.most - most);
        softmax.sum *= own;
        softmax.gap *= own;
        softmax.most = most;
    }
    if (most == LOWEST) return;
    float sum = 0.0f, gap = 0.0f;
    for (u32 i = 0; i < count; i++) {
        float power = exponential(logits[i] - most);
        sum += power;
        if (gaps && power != 0.0f) gap = fmaf(power, gaps[i], gap);
    }
    softmax.sum += sum;
    softmax.gap += gap;
}

// The losses of rows of logits [rows, vocabulary] before their cap: -log of the target's probability,
// preceded by the divergence from the dense model if there is one. A block takes a row.
template <bool DENSE>
__device__ __forceinline__ void row_losses(
    const void* dense, const void* logits, const u32* targets, u32 vocabulary, u32 cap_bits, double* out
) {
    __shared__ Softmax shared[THREADS];
    float cap = __uint_as_float(cap_bits);
    u64 start = (u64)blockIdx.x * vocabulary;
    Softmax own = {LOWEST, 0.0, 0.0}, of_dense = own;
    u32 step = vocabulary % VECTOR == 0 ? VECTOR : 1;
    for (u32 at = threadIdx.x * step; at < vocabulary; at += THREADS * step) {
        float x[VECTOR], d[VECTOR], gaps[VECTOR];
        if (step == VECTOR) {
            T::vector(logits, start + at, x);
            if (DENSE) T::vector(dense, start + at, d);
        } else {
            x[0] = T::one(logits, start + at);
            if (DENSE) d[0] = T::one(dense, start + at);
        }
        for (u32 i = 0; i < step; i++) {
            x[i] = capped(x[i], cap);
            if (DENSE) {
                d[i] = capped(d[i], cap);
                gaps[i] = d[i] - x[i];
            }
        }
        take(own, x, nullptr, step);
        if (DENSE) take(of_dense, d, gaps, step);
    }
    own = of_block(own, shared);
    if (DENSE) of_dense = of_block(of_dense, shared);
    if (threadIdx.x == 0) {
        double total = log(own.sum) + own.most;
        u32 target = targets[blockIdx.x];
        float chosen = target < vocabulary ? capped(T::one(logits, start + target), cap) : LOWEST;
        double* result = out + (u64)blockIdx.x * (DENSE ? 2 : 1);
        if (DENSE) {
            double apart = of_dense.gap / of_dense.sum + total - (log(of_dense.sum) + of_dense.most);
            // A divergence is never negative; for equal rows, rounding may make it slightly negative.
            result[0] = apart < 0.0 ? 0.0 : apart;
        }
        result[DENSE ? 1 : 0] = total - chosen;
    }
}

extern "C" __global__ void losses(const void* logits, const u32* targets, u32 vocabulary, u32 cap, void* out) {
    row_losses<false>(nullptr, logits, targets, vocabulary, cap, (double*)out);
}
extern "C" __global__ void divergences(
    const void* dense, const void* logits, const u32* targets, u32 vocabulary, u32 cap, void* out
) {
    row_losses<true>(dense, logits, targets, vocabulary, cap, (double*)out);
}
