// Selects the lowest scores by counting: finds a row's threshold digit by digit, then compares each score
// once.

// -0 counts as 0: equal scores have the same key.
__device__ __forceinline__ u32 key_of(float score) { return ordered_bits(score + 0.0f); }

// The number of scores in a short list that precede a given one.
__device__ __forceinline__ u32 rank_of(const float* scores, u32 count, u32 one) {
    u32 own = key_of(scores[one]), rank = 0;
    for (u32 at = 0; at < count; at++) {
        u32 key = key_of(scores[at]);
        rank += key < own || (key == own && at < one) ? 1u : 0u;
    }
    return rank;
}

// Finds for each row the key of its `counts[row]`-th lowest score, and the number of scores with that key
// that still have to be taken; one block of threads processes one row at a time.
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

// Counts scores by the upper half of their keys, or, with `fine`, counts those with the upper half found
// before by their lower half; `histogram` has 65536 numbers that start as 0.
extern "C" __global__ void score_histogram(const float* scores, u64 n, u32 fine, const u32* found, u32* histogram) {
    u64 step = (u64)gridDim.x * THREADS;
    u32 upper = fine ? found[0] : 0;
    for (u64 at = (u64)blockIdx.x * THREADS + threadIdx.x; at < n; at += step) {
        u32 key = key_of(scores[at]);
        if (!fine) atomicAdd(&histogram[key >> 16], 1u);
        else if (key >> 16 == upper) atomicAdd(&histogram[key & 0xffffu], 1u);
    }
}

// Finds the digit of the `place`-th score, from 0, and its position among the scores with that digit. With
// `fine`, `place` is the position found before, and the digit becomes the lower half of the key. One block.
extern "C" __global__ void find_digit(const u32* histogram, u64 place, u32 fine, const u32* before, u32* found) {
    __shared__ u64 sums[THREADS];
    const u32 each = 65536 / THREADS;
    const u32* own = histogram + threadIdx.x * each;
    u64 sum = 0;
    for (u32 digit = 0; digit < each; digit++) sum += own[digit];
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (fine) place = before[1];
    u64 below = 0;
    for (u32 thread = 0; thread < threadIdx.x; thread++) below += sums[thread];
    if (below <= place && place < below + sum) {
        u64 rest = place - below;
        u32 digit = 0;
        while (rest >= own[digit]) rest -= own[digit++];
        digit += threadIdx.x * each;
        found[0] = fine ? before[0] << 16 | digit : digit;
        found[1] = (u32)rest;
    }
}

// Counts for each row the scores at a threshold.
extern "C" __global__ void row_equals(const float* scores, u32 rows, u32 columns, const u32* found, u32* equals) {
    __shared__ double shared[THREADS];
    u32 threshold = found[0];
    for (u32 row = blockIdx.x; row < rows; row += gridDim.x) {
        const float* line = scores + (u64)row * columns;
        double same = 0.0;
        for (u32 column = threadIdx.x; column < columns; column += THREADS) same += key_of(line[column]) == threshold;
        same = of_block<plus>(same, shared);
        if (threadIdx.x == 0) equals[row] = (u32)same;
    }
}

// Distributes the scores at the threshold that still have to be taken over the rows, in order; with `ties`,
// all of them are taken. One block.
extern "C" __global__ void row_lefts(const u32* equals, u32 rows, u32 ties, const u32* found, u32* thresholds, u32* lefts) {
    __shared__ u64 sums[THREADS];
    u32 each = (rows + THREADS - 1) / THREADS, first = threadIdx.x * each;
    u32 last = first + each < rows ? first + each : rows;
    u64 sum = 0;
    for (u32 row = first; row < last; row++) sum += equals[row];
    sums[threadIdx.x] = sum;
    __syncthreads();
    u64 before = 0, wanted = (u64)found[1] + 1;
    for (u32 thread = 0; thread < threadIdx.x; thread++) before += sums[thread];
    for (u32 row = first; row < last; row++) {
        u64 left = wanted > before ? wanted - before : 0;
        lefts[row] = ties ? 0xffffffffu : (u32)(left < equals[row] ? left : equals[row]);
        thresholds[row] = found[0];
        before += equals[row];
    }
}

// Marks the scores below their row's threshold, and the first `lefts[row]` of those at the threshold.
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
            u32 place = 0;
            // Most tiles have no score at the threshold.
            if (__syncthreads_or(equal)) {
                // The number of this tile's threads, up to this one, whose score is at the threshold.
                sums[threadIdx.x] = equal;
                __syncthreads();
                for (u32 reach = 1; reach < THREADS; reach *= 2) {
                    u32 before = threadIdx.x >= reach ? sums[threadIdx.x - reach] : 0u;
                    __syncthreads();
                    sums[threadIdx.x] += before;
                    __syncthreads();
                }
                place = taken + sums[threadIdx.x];
                taken += sums[THREADS - 1];
                __syncthreads();
            }
            if (column < columns) marks[start + column] = key < threshold || (equal && place <= left) ? 1 : 0;
        }
    }
}

// Ranks the scores of each row; equal scores rank by position. A block sorts a row, padded to a power of two,
// in shared memory.
extern "C" __global__ void row_ranks(const float* scores, u32 rows, u32 columns, u32 padded, u16* ranks) {
    SHARED_BYTES(shared);
    u32* keys = (u32*)shared;
    u16* places = (u16*)(keys + padded);
    u64 start = (u64)blockIdx.x * columns;
    for (u32 at = threadIdx.x; at < padded; at += THREADS) {
        keys[at] = at < columns ? key_of(scores[start + at]) : 0xffffffffu;
        places[at] = (u16)at;
    }
    __syncthreads();
    for (u32 size = 2; size <= padded; size *= 2) {
        for (u32 reach = size / 2; reach > 0; reach /= 2) {
            for (u32 pair = threadIdx.x; pair < padded / 2; pair += THREADS) {
                u32 low = 2 * pair - pair % reach, high = low + reach;
                u32 a = keys[low], b = keys[high];
                u16 p = places[low], q = places[high];
                bool greater = a > b || (a == b && p > q);
                if (greater == ((low & size) == 0)) {
                    keys[low] = b; keys[high] = a;
                    places[low] = q; places[high] = p;
                }
            }
            __syncthreads();
        }
    }
    for (u32 at = threadIdx.x; at < padded; at += THREADS) {
        if (places[at] < columns) ranks[start + places[at]] = (u16)at;
    }
}

// ---- ranks within a whole matrix: a stable sort of keys and positions, digit by digit, 8 bits each --------------------------------

// Number of scores that a block sorts.
#define PIECE 16384

// The key at a position: of the score for the first digit, and of the order sorted so far after that.
__device__ __forceinline__ u32 sorted_key(const float* scores, const u32* keys, u32 shift, u64 at) {
    return shift == 0 ? key_of(scores[at]) : keys[at];
}

// Counts each digit of a block's scores, `counts` [256, blocks].
extern "C" __global__ void digit_counts(const float* scores, const u32* keys, u64 n, u32 shift, u32* counts) {
    __shared__ u32 histogram[256];
    histogram[threadIdx.x] = 0;
    __syncthreads();
    u64 first = (u64)blockIdx.x * PIECE, end = first + PIECE < n ? first + PIECE : n;
    for (u64 at = first + threadIdx.x; at < end; at += THREADS) {
        atomicAdd(&histogram[(sorted_key(scores, keys, shift, at) >> shift) & 255u], 1u);
    }
    __syncthreads();
    counts[(u64)threadIdx.x * gridDim.x + blockIdx.x] = histogram[threadIdx.x];
}

// Replaces the counts of a digit by the sum over the preceding blocks, and writes the total; a block takes a
// digit.
extern "C" __global__ void digits_before(const u32* counts, u32 blocks, u32* before, u32* totals) {
    __shared__ u32 sums[THREADS];
    const u32* own = counts + (u64)blockIdx.x * blocks;
    u32 each = (blocks + THREADS - 1) / THREADS, first = threadIdx.x * each;
    u32 last = first + each < blocks ? first + each : blocks, sum = 0;
    for (u32 block = first; block < last; block++) sum += own[block];
    sums[threadIdx.x] = sum;
    __syncthreads();
    u32 running = 0;
    for (u32 thread = 0; thread < threadIdx.x; thread++) running += sums[thread];
    for (u32 block = first; block < last; block++) {
        before[(u64)blockIdx.x * blocks + block] = running;
        running += own[block];
    }
    if (threadIdx.x == THREADS - 1) totals[blockIdx.x] = running;
}

// Moves a block's scores to their positions by a digit; those with the same digit keep their order. After the
// last digit, a position is a rank.
extern "C" __global__ void move_by_digit(
    const float* scores, const u32* keys, const u32* places, u64 n, u32 shift, const u32* before, const u32* totals, u32* to_keys,
    u32* to_places
) {
    __shared__ u32 next[256];
    __shared__ u32 of_warps[THREADS / 32][256];
    u32 thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    next[thread] = totals[thread];
    __syncthreads();
    u32 lower = 0;
    for (u32 digit = 0; digit < thread; digit++) lower += next[digit];
    __syncthreads();
    next[thread] = lower + before[(u64)thread * gridDim.x + blockIdx.x];
    u64 first = (u64)blockIdx.x * PIECE, end = first + PIECE < n ? first + PIECE : n;
    for (u64 from = first; from < end; from += THREADS) {
        u64 at = from + thread;
        bool there = at < end;
        u32 key = there ? sorted_key(scores, keys, shift, at) : 0;
        u32 digit = (key >> shift) & 255u;
        // The lanes of the warp with the same digit.
        u32 alike = __ballot_sync(0xffffffffu, there);
        for (u32 bit = 0; bit < 8; bit++) {
            u32 set = __ballot_sync(0xffffffffu, digit >> bit & 1u);
            alike &= digit >> bit & 1u ? set : ~set;
        }
        u32 rank = __popc(alike & ((1u << lane) - 1u));
        for (u32 of = 0; of < THREADS / 32; of++) of_warps[of][thread] = 0;
        __syncthreads();
        if (there && rank == 0) of_warps[warp][digit] = __popc(alike);
        __syncthreads();
        // For the digit with this thread's number: the offset of each warp's scores.
        u32 running = next[thread];
        for (u32 of = 0; of < THREADS / 32; of++) {
            u32 count = of_warps[of][thread];
            of_warps[of][thread] = running;
            running += count;
        }
        next[thread] = running;
        __syncthreads();
        if (there) {
            u32 to = of_warps[warp][digit] + rank, place = shift == 0 ? (u32)at : places[at];
            if (shift == 24) {
                to_places[place] = to;
            } else {
                to_keys[to] = key;
                to_places[to] = place;
            }
        }
        __syncthreads();
    }
}

// Ranks scores within each group of `size` columns; one thread takes one group.
extern "C" __global__ void group_ranks(const float* scores, u32 rows, u32 columns, u32 size, u16* ranks) {
    u32 groups = (columns + size - 1) / size;
    u64 all = (u64)rows * groups, at = (u64)blockIdx.x * THREADS + threadIdx.x;
    if (at >= all) return;
    u32 first = (u32)(at % groups) * size;
    u32 width = columns - first < size ? columns - first : size;
    const float* line = scores + at / groups * columns + first;
    for (u32 i = 0; i < width; i++) ranks[at / groups * columns + first + i] = (u16)rank_of(line, width, i);
}

// Marks the `count` lowest scores of each group of `size` columns, or `last` of a narrower group; one thread
// takes one group.
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
        for (u32 i = 0; i < width; i++) out[i] = rank_of(line, width, i) < wanted ? 1 : 0;
    }
}
