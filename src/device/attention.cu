// Causal attention that never holds the score matrix: a block takes some queries of a head and processes the
// keys that they see one tile at a time, keeping for each query the highest score, the sum of exponentials
// and the mixture of values so far.
//
// HEAD is the size of a head. Queries and the output are [samples, length, heads, HEAD], keys and values
// [samples, length, key_heads, HEAD]. `scale` multiplies scores, `cap` is the cap in cap * tanh(score / cap),
// or 0, `window` is the number of tokens that a query attends to, itself included, or 0.

#define LOG2_E 1.44269504f

struct Rules {
    u32 length, heads, key_heads, window;
    float scale, cap;
};

// The part of a head that a block works on.
struct Part {
    // The first query, and the strides of positions in queries and in keys.
    u32 first;
    u64 stride, key_stride;
    // The offset of the head in queries and the output, and in keys and values.
    u64 start, key_start;
};

// The last queries see the most keys, so they come first.
__device__ __forceinline__ Part part_of_block(u32 queries, const Rules& rules) {
    u32 tiles = (rules.length + queries - 1) / queries, streams = gridDim.x / tiles, stream = blockIdx.x % streams;
    Part part;
    u32 sample = stream / rules.heads, head = stream % rules.heads;
    part.first = (tiles - 1 - blockIdx.x / streams) * queries;
    part.stride = (u64)rules.heads * HEAD;
    part.key_stride = (u64)rules.key_heads * HEAD;
    u64 before = (u64)sample * rules.length;
    part.start = before * part.stride + (u64)head * HEAD;
    part.key_start = before * part.key_stride + (u64)(head / (rules.heads / rules.key_heads)) * HEAD;
    return part;
}

// The score in units of log 2, or the lowest number if the query does not see the key.
__device__ __forceinline__ float seen_score(float product, u32 query, u32 key, bool whole, const Rules& rules) {
    float score = product * rules.scale;
    if (rules.cap > 0.0f) score = rules.cap * op_tanh(score / rules.cap);
    bool seen = whole || (key <= query && (!rules.window || query - key < rules.window));
    return seen ? score * LOG2_E : LOWEST;
}

// The first key that the queries from `first` on see, rounded down to the start of a tile.
__device__ __forceinline__ u32 first_key(u32 first, u32 tile, const Rules& rules) {
    u32 key = rules.window && first + 1 > rules.window ? first + 1 - rules.window : 0;
    return key / tile * tile;
}

// ---- bfloat16: the tensor cores -------------------------------------------------------------------------------------------
#if HEAD % 16 == 0

#define ROWS 128
#define KEYS (HEAD > 128 ? 32 : 64)
#define PITCH (HEAD + 8)
#define STEPS (HEAD / 16)

#ifdef EMULATED
__device__ __forceinline__ void fetch(void* to, const void* from, bool there) {
    if (there) std::memcpy(to, from, 16); else std::memset(to, 0, 16);
}
__device__ __forceinline__ void fetched(int) {}
__device__ __forceinline__ void close_group() {}
#else
__device__ __forceinline__ u32 shared_address(const void* at) { return (u32)__cvta_generic_to_shared(at); }
__device__ __forceinline__ void fetch(void* to, const void* from, bool there) {
    int bytes = there ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" :: "r"(shared_address(to)), "l"(from), "r"(bytes));
}
__device__ __forceinline__ void close_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits for all groups except the last, or for all groups.
__device__ __forceinline__ void fetched(int left) {
    if (left) asm volatile("cp.async.wait_group 1;" ::: "memory");
    else asm volatile("cp.async.wait_group 0;" ::: "memory");
}
__device__ __forceinline__ void load_matrices(u32* to, const void* row, bool across) {
    if (across) asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(shared_address(row)) : "memory");
    else asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(shared_address(row)) : "memory");
}
__device__ __forceinline__ void warp_product(float* d, const u32* a, const u32* b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

// Loads `count` rows of a head from `first` on into shared memory, with zeros beyond the end.
__device__ __forceinline__ void fetch_rows(u16* to, const u16* from, u32 first, u32 count, u32 length, u64 stride) {
    const u32 pieces = HEAD / 8;
    for (u32 piece = threadIdx.x; piece < count * pieces; piece += THREADS) {
        u32 row = piece / pieces, column = piece % pieces * 8;
        bool there = first + row < length;
        fetch(to + row * PITCH + column, from + (there ? (u64)(first + row) * stride + column : 0), there);
    }
}

extern "C" __global__ void __launch_bounds__(256, HEAD > 64 ? 1 : 2) attention_bf16(
    const u16* queries, const u16* keys, const u16* values, u32 length, u32 heads, u32 key_heads, u32 window, u32 scale, u32 cap,
    u16* out
) {
    SHARED_BYTES(shared);
    Rules rules = {length, heads, key_heads, window, __uint_as_float(scale), __uint_as_float(cap)};
    Part part = part_of_block(ROWS, rules);
    u32 first = part.first;
    keys += part.key_start;
    values += part.key_start;
    u16* q = (u16*)shared;
    u16* k = q + ROWS * PITCH;
    u16* v = k + 2 * KEYS * PITCH;
    u32 warp = threadIdx.x / 32, lane = threadIdx.x % 32, quad = lane / 4, pair = lane % 4 * 2;
    u32 begin = first_key(first, KEYS, rules), end = first + ROWS < length ? first + ROWS : length;

    fetch_rows(q, queries + part.start, first, ROWS, length, part.stride);
    fetch_rows(k, keys, begin, KEYS, length, part.key_stride);
    fetch_rows(v, values, begin, KEYS, length, part.key_stride);
    close_group();

    float mixture[HEAD / 8][4], most[2] = {LOWEST, LOWEST}, total[2] = {0.0f, 0.0f};
    #pragma unroll
    for (int i = 0; i < HEAD / 8; i++) mixture[i][0] = mixture[i][1] = mixture[i][2] = mixture[i][3] = 0.0f;
    u32 own[2] = {first + warp * 16 + quad, first + warp * 16 + quad + 8};
    const u16* own_rows = q + (warp * 16 + lane % 16) * PITCH + lane / 16 * 8;

    u32 stage = 0;
    for (u32 key = begin; key < end; key += KEYS, stage ^= 1) {
        bool more = key + KEYS < end;
        if (more) {
            fetch_rows(k + (stage ^ 1) * KEYS * PITCH, keys, key + KEYS, KEYS, length, part.key_stride);
            fetch_rows(v + (stage ^ 1) * KEYS * PITCH, values, key + KEYS, KEYS, length, part.key_stride);
            close_group();
        }
        fetched(more);
        __syncthreads();
        const u16* k_tile = k + stage * KEYS * PITCH;
        const u16* v_tile = v + stage * KEYS * PITCH;
        float scores[KEYS / 8][4];
        #pragma unroll
        for (int i = 0; i < KEYS / 8; i++) scores[i][0] = scores[i][1] = scores[i][2] = scores[i][3] = 0.0f;
        #pragma unroll
        for (int step = 0; step < STEPS; step++) {
            u32 a[4], b[4];
            load_matrices(a, own_rows + step * 16, false);
            #pragma unroll
            for (int i = 0; i < KEYS / 16; i++) {
                load_matrices(b, k_tile + (i * 16 + lane / 16 * 8 + lane % 8) * PITCH + step * 16 + lane / 8 % 2 * 8, false);
                warp_product(scores[2 * i], a, b);
                warp_product(scores[2 * i + 1], a, b + 2);
            }
        }
        // All queries of the warp see all keys of the tile.
        u32 warp_first = first + warp * 16;
        bool whole = key + KEYS <= warp_first + 1 && (!window || warp_first + 16 - key <= window);
        float larger[2] = {most[0], most[1]};
        #pragma unroll
        for (int i = 0; i < KEYS / 8; i++) {
            #pragma unroll
            for (int j = 0; j < 4; j++) {
                scores[i][j] = seen_score(scores[i][j], own[j / 2], key + i * 8 + pair + j % 2, whole, rules);
                larger[j / 2] = most_or_nan(larger[j / 2], scores[i][j]);
            }
        }
        float factor[2], base[2];
        #pragma unroll
        for (int j = 0; j < 2; j++) {
            larger[j] = most_or_nan(larger[j], __shfl_xor_sync(0xffffffffu, larger[j], 1));
            larger[j] = most_or_nan(larger[j], __shfl_xor_sync(0xffffffffu, larger[j], 2));
            base[j] = larger[j] == LOWEST ? 0.0f : larger[j];
            factor[j] = power_of_two(most[j] - base[j]);
            most[j] = larger[j];
            total[j] *= factor[j];
        }
        #pragma unroll
        for (int i = 0; i < HEAD / 8; i++) {
            #pragma unroll
            for (int j = 0; j < 4; j++) mixture[i][j] *= factor[j / 2];
        }
        #pragma unroll
        for (int i = 0; i < KEYS / 8; i++) {
            #pragma unroll
            for (int j = 0; j < 4; j++) {
                scores[i][j] = power_of_two(scores[i][j] - base[j / 2]);
                total[j / 2] += scores[i][j];
            }
        }
        #pragma unroll
        for (int step = 0; step < KEYS / 16; step++) {
            u32 a[4] = {
                two_bf16(scores[2 * step][0], scores[2 * step][1]), two_bf16(scores[2 * step][2], scores[2 * step][3]),
                two_bf16(scores[2 * step + 1][0], scores[2 * step + 1][1]), two_bf16(scores[2 * step + 1][2], scores[2 * step + 1][3]),
            };
            #pragma unroll
            for (int i = 0; i < HEAD / 16; i++) {
                u32 b[4];
                load_matrices(b, v_tile + (step * 16 + lane % 16) * PITCH + i * 16 + lane / 16 * 8, true);
                warp_product(mixture[2 * i], a, b);
                warp_product(mixture[2 * i + 1], a, b + 2);
            }
        }
        __syncthreads();
    }
    #pragma unroll
    for (int j = 0; j < 2; j++) {
        total[j] += __shfl_xor_sync(0xffffffffu, total[j], 1);
        total[j] += __shfl_xor_sync(0xffffffffu, total[j], 2);
        float share = 1.0f / total[j];
        if (own[j] < length) {
            u16* to = out + part.start + own[j] * part.stride + pair;
            #pragma unroll
            for (int i = 0; i < HEAD / 8; i++) {
                *(u32*)(to + i * 8) = two_bf16(mixture[i][2 * j] * share, mixture[i][2 * j + 1] * share);
            }
        }
    }
}
#endif

// ---- f32 -------------------------------------------------------------------------------------------------------------------

#define TILE 64
// The pitch of a row in shared memory: whole float4s, plus one, so that rows start in different banks.
#define WIDE ((HEAD + 3) / 4 * 4)
#define LINE (WIDE + 4)
#define PARTS ((WIDE + 63) / 64)

__device__ __forceinline__ void copy_rows(float* to, const float* from, u32 first, u32 length, u64 stride) {
    for (u32 at = threadIdx.x; at < TILE * WIDE; at += THREADS) {
        u32 row = at / WIDE, column = at % WIDE;
        bool there = first + row < length && column < HEAD;
        to[row * LINE + column] = there ? from[(u64)(first + row) * stride + column] : 0.0f;
    }
}

// A thread holds the scores of 4 queries with 4 keys, and 4 of every 64 channels of their mixtures.
extern "C" __global__ void __launch_bounds__(256, 1) attention_f32(
    const float* queries, const float* keys, const float* values, u32 length, u32 heads, u32 key_heads, u32 window, u32 scale, u32 cap,
    float* out
) {
    SHARED_BYTES(shared);
    Rules rules = {length, heads, key_heads, window, __uint_as_float(scale), __uint_as_float(cap)};
    Part part = part_of_block(TILE, rules);
    u32 first = part.first;
    keys += part.key_start;
    values += part.key_start;
    float* q = (float*)shared;
    float* k = q + TILE * LINE;
    float* v = k + TILE * LINE;
    float* p = v + TILE * LINE;
    const u32 pitch = TILE + 4;
    u32 across = threadIdx.x % 16, down = threadIdx.x / 16 * 4;
    copy_rows(q, queries + part.start, first, length, part.stride);
    float mixture[4][PARTS * 4], most[4], total[4];
    #pragma unroll
    for (int i = 0; i < 4; i++) {
        most[i] = LOWEST;
        total[i] = 0.0f;
        #pragma unroll
        for (int j = 0; j < PARTS * 4; j++) mixture[i][j] = 0.0f;
    }
    u32 end = first + TILE < length ? first + TILE : length;
    for (u32 key = first_key(first, TILE, rules); key < end; key += TILE) {
        __syncthreads();
        copy_rows(k, keys, key, length, part.key_stride);
        copy_rows(v, values, key, length, part.key_stride);
        __syncthreads();
        float scores[4][4] = {};
        for (u32 at = 0; at < WIDE; at += 4) {
            float4 a[4], b[4];
            #pragma unroll
            for (int i = 0; i < 4; i++) {
                a[i] = *(const float4*)(q + (down + i) * LINE + at);
                b[i] = *(const float4*)(k + (across + 16 * i) * LINE + at);
            }
            #pragma unroll
            for (int i = 0; i < 4; i++) {
                #pragma unroll
                for (int j = 0; j < 4; j++) {
                    scores[i][j] = fmaf(a[i].x, b[j].x, scores[i][j]);
                    scores[i][j] = fmaf(a[i].y, b[j].y, scores[i][j]);
                    scores[i][j] = fmaf(a[i].z, b[j].z, scores[i][j]);
                    scores[i][j] = fmaf(a[i].w, b[j].w, scores[i][j]);
                }
            }
        }
        bool whole = key + TILE <= first + 1 && (!window || first + TILE - key <= window);
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            float larger = most[i];
            #pragma unroll
            for (int j = 0; j < 4; j++) {
                scores[i][j] = seen_score(scores[i][j], first + down + i, key + across + 16 * j, whole, rules);
                larger = most_or_nan(larger, scores[i][j]);
            }
            // The 16 threads of a row are adjacent in a warp.
            for (u32 mask = 8; mask > 0; mask /= 2) larger = most_or_nan(larger, __shfl_xor_sync(0xffffffffu, larger, mask));
            float base = larger == LOWEST ? 0.0f : larger, factor = power_of_two(most[i] - base);
            most[i] = larger;
            total[i] *= factor;
            #pragma unroll
            for (int j = 0; j < PARTS * 4; j++) mixture[i][j] *= factor;
            #pragma unroll
            for (int j = 0; j < 4; j++) {
                float power = power_of_two(scores[i][j] - base);
                total[i] += power;
                p[(down + i) * pitch + across + 16 * j] = power;
            }
        }
        __syncthreads();
        for (u32 at = 0; at < TILE; at += 4) {
            float shares[4][4];
            #pragma unroll
            for (int i = 0; i < 4; i++) {
                float4 some = *(const float4*)(p + (down + i) * pitch + at);
                shares[i][0] = some.x; shares[i][1] = some.y; shares[i][2] = some.z; shares[i][3] = some.w;
            }
            #pragma unroll
            for (int row = 0; row < 4; row++) {
                #pragma unroll
                for (int part = 0; part < PARTS; part++) {
                    u32 column = part * 64 + across * 4;
                    if (column >= WIDE) continue;
                    float4 some = *(const float4*)(v + (at + row) * LINE + column);
                    #pragma unroll
                    for (int i = 0; i < 4; i++) {
                        mixture[i][4 * part] = fmaf(shares[i][row], some.x, mixture[i][4 * part]);
                        mixture[i][4 * part + 1] = fmaf(shares[i][row], some.y, mixture[i][4 * part + 1]);
                        mixture[i][4 * part + 2] = fmaf(shares[i][row], some.z, mixture[i][4 * part + 2]);
                        mixture[i][4 * part + 3] = fmaf(shares[i][row], some.w, mixture[i][4 * part + 3]);
                    }
                }
            }
        }
    }
    #pragma unroll
    for (int i = 0; i < 4; i++) {
        for (u32 mask = 8; mask > 0; mask /= 2) total[i] += __shfl_xor_sync(0xffffffffu, total[i], mask);
        u32 query = first + down + i;
        if (query >= length) continue;
        float* to = out + part.start + query * part.stride;
        #pragma unroll
        for (int j = 0; j < PARTS * 4; j++) {
            u32 column = j / 4 * 64 + across * 4 + j % 4;
            if (column < HEAD) to[column] = mixture[i][j] / total[i];
        }
    }
}
