class Unit:
    """A unit with one ratio: a block, or one linear."""

    def __init__(self, index, block, names, weights, scaler_row):
        self.index = index
        self.block = block
        self.names = names
        self.weight = [np.asarray(weights[name], dtype=np.float32) for name in names]
        moments = [np.asarray(scaler_row[name], dtype=np.float64) for name in names] if scaler_row else None
        self.input_norm = [np.sqrt(moment)[np.newaxis, :] for moment in moments] if moments else None
        self.parameters = sum(weight.size for weight in self.weight)


def units_of(weights, scaler_row, by_block):
    """Returns each unit's constructor, in the model's order, so that only one unit is in memory at a time."""
    groups = []
    for name in weights:
        block = int(re.search(r"layers\.(\d+)\.", name).group(1))
        if by_block and groups and groups[-1][0] == block:
            groups[-1][1].append(name)
        else:
            groups.append((block, [name]))
    return [lambda index=index, block=block, names=names: Unit(index, block, names, weights, scaler_row)
            for index, (block, names) in enumerate(groups)]


def layer(units, value):
    """Returns one number for each unit."""
    with np.errstate(all="ignore"):
        return np.array([value(unit()) for unit in units], dtype=np.float64)


def narrow(x):
    """Returns the nearest float32, but never 0 for a nonzero value."""
    x = np.asarray(x)
    if x.dtype == np.float32:
        return x
    single = x.astype(np.float32)
    return np.where((single == 0) & (x != 0), np.copysign(np.float32(1e-45), single), single)


def matrix(f, *operands):
    """Applies f in single precision, for each linear of a unit."""
    count = max(len(x) for x in operands if isinstance(x, list))
    pick = lambda x, i: narrow(x[i] if isinstance(x, list) else np.float64(x))
    return [np.asarray(f(*[pick(x, i) for x in operands]), dtype=np.float32) for i in range(count)]


def channels(f, *operands):
    """Applies f in double precision, for each linear of a unit."""
    count = max(len(x) for x in operands if isinstance(x, list))
    pick = lambda x, i: x[i] if isinstance(x, list) else np.float64(x)
    return [np.asarray(f(*[pick(x, i) for x in operands]), dtype=np.float64) for i in range(count)]


def together(x):
    """Returns the values of a unit, or of one linear's channel, as one vector."""
    return np.concatenate([np.ravel(part) for part in x]) if isinstance(x, list) else np.ravel(x)


def over_inputs(f, x):
    """Reduces the inputs of each output."""
    return [np.array([[f(row)] for row in part], dtype=np.float64) for part in x]


def over_outputs(f, x):
    """Reduces the outputs of each input."""
    return [np.array([[f(column) for column in part.T]], dtype=np.float64) for part in x]


def each_linear(f, x):
    """Returns the plain mean of f over the linears."""
    return sum(f(np.asarray(part, dtype=np.float64)) for part in x) / len(x)


def as_number(truth, *operands):
    nan = np.zeros(np.shape(truth), dtype=bool)
    for operand in operands:
        nan = nan | np.isnan(operand)
    return np.where(nan, np.float32(np.nan), np.asarray(truth).astype(np.float32))


def less(x, y):
    return as_number(x < y, x, y)


def less_equal(x, y):
    return as_number(x <= y, x, y)


def greater(x, y):
    return as_number(x > y, x, y)


def greater_equal(x, y):
    return as_number(x >= y, x, y)


def divide(x, y):
    return np.where((y == 0) & ~np.isnan(x), np.zeros_like(x + y), np.true_divide(x, y))


def power(x, y):
    zero = ((x == 0) & (y < 0)) | ((x < 0) & np.isfinite(y) & (np.trunc(y) != y))
    return np.where(zero, np.zeros_like(x + y), np.power(x, y))


def where(condition, x, y):
    return np.where(np.isnan(condition), np.nan, np.where(condition != 0, x, y))


def sqrt(x):
    return np.where(x < 0, np.zeros_like(x), np.sqrt(x))


def log(x):
    return np.where(x <= 0, np.zeros_like(x), np.log(np.where(x <= 0, np.ones_like(x), x)))


def abslog(x):
    return log(np.abs(x))


def reciprocal(x):
    return divide(np.ones_like(x), x)


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def softplus(x):
    return np.where(x > 20, x, np.log1p(np.exp(x)))


def asin(x):
    return np.arcsin(np.clip(x, -1, 1))


def acos(x):
    return np.arccos(np.clip(x, -1, 1))


def relu(x):
    return np.where(x < 0, np.zeros_like(x), x)


def dsa_log(x):
    return np.log(np.where(x <= 0, np.ones_like(x), x) + np.asarray(x).dtype.type(1e-6))


def sanitize(x):
    single = np.asarray(x).astype(np.float32).astype(np.float64)
    return np.where(np.isnan(single), 0.0, np.where(np.isinf(single), -1.0, single))


def total(x):
    return together(x).sum(dtype=np.float64)


def mean(x):
    return total(x) / together(x).size


def var(x):
    values = together(x).astype(np.float64)
    return np.square(values - values.mean()).sum() / values.size


def std(x):
    return np.sqrt(var(x))


def dsa_var(x):
    values = together(x).astype(np.float64)
    return np.square(values - values.mean()).sum() / (values.size - 1) if values.size > 1 else np.nan


def dsa_std(x):
    return np.sqrt(dsa_var(x))


def lowest(x):
    return together(x).min()


def highest(x):
    return together(x).max()


def median(x):
    values = together(x)
    return np.partition(values, (values.size - 1) // 2)[(values.size - 1) // 2]


def quantile(x, p):
    values = np.sort(together(x)).astype(np.float64)
    below = int(np.floor(p * (values.size - 1)))
    above = min(below + 1, values.size - 1)
    return values[below] + (values[above] - values[below]) * (p * (values.size - 1) - below)


def l1(x):
    return np.abs(together(x)).sum(dtype=np.float64)


def l2(x):
    return np.sqrt(np.square(together(x).astype(np.float64)).sum())


def geomean(x):
    return np.exp(log(together(x).astype(np.float64)).mean())


def entropy(x):
    values = together(x).astype(np.float64)
    return -(values * log(values)).sum()


def kurtosis(x):
    values = together(x).astype(np.float64)
    centred = values - values.mean()
    variance = np.square(centred).mean()
    return np.power(centred / np.sqrt(variance), 4).mean() if variance > 0 else 0.0


def gini(x):
    values = np.sort(np.abs(together(x).astype(np.float64)))
    weights = 2.0 * np.arange(1, values.size + 1) - values.size - 1
    return (weights * values).sum() / (values.size * values.sum()) if values.sum() > 0 else 0.0


def ranks_of(values):
    """Returns ranks from 0 to 1; equal values share their mean rank."""
    ordered = np.sort(values)
    low = np.searchsorted(ordered, values, side="left")
    high = np.searchsorted(ordered, values, side="right")
    return (low + high - 1) / 2.0 / max(values.size - 1, 1)


def zscore(x):
    return divide(x - np.mean(x), np.sqrt(np.mean(np.square(x - np.mean(x)))))


def dsa_normalize(x):
    squares = np.square(x - np.mean(x)).sum()
    return divide(x - np.mean(x), np.sqrt(squares / (x.size - 1))) if x.size > 1 else np.zeros_like(x)


def minmax(x):
    return divide(x - x.min(), np.float64(x.max() - x.min()))


def dsa_minmax(x):
    return divide(x - x.min(), np.float64(x.max() - x.min() + 1e-9))


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def center(x):
    return x - np.mean(x)


def unit_zscore(x):
    return of_weights(x)(lambda x, mean, std: divide(x - mean, std), x, mean(x), std(x))


def unit_normalize(x):
    deviation = dsa_std(x) if together(x).size > 1 else 0.0
    return of_weights(x)(lambda x, mean, std: divide(x - mean, std), x, mean(x), deviation)


def unit_minmax(x, more=0.0):
    low = np.float64(lowest(x))
    span = np.float64(highest(x)) - low + more
    return of_weights(x)(lambda x, low, span: divide(x - low, span), x, low, span)


def unit_softmax(x):
    e = of_weights(x)(lambda x, high: np.exp(x - high), x, np.float64(highest(x)))
    return of_weights(x)(divide, e, total(e))


def unit_center(x):
    return of_weights(x)(np.subtract, x, mean(x))


def unit_ranks(x):
    ranks = ranks_of(together(x))
    parts = np.split(ranks, np.cumsum([part.size for part in x])[:-1])
    return [part.reshape(of.shape).astype(of.dtype) for part, of in zip(parts, x)]


def of_weights(x):
    """Returns a function that applies another one in the precision of x."""
    return matrix if x[0].dtype == np.float32 else channels


def smooth(x, window):
    reach = int(window) // 2
    return np.array([x[max(i - reach, 0):i + reach + 1].mean() for i in range(x.size)])


def block_mean(x, blocks):
    return np.array([x[blocks == block].mean() for block in blocks])


def neighbour(x, units, step):
    """Returns the value of the same unit in another block, or its own if it does not exist."""
    of_block = lambda u: tuple(re.sub(r"layers\.\d+\.", "", name) for name in u.names)
    keys = [(u.block, of_block(u)) for u in (unit() for unit in units)]
    places = {key: place for place, key in enumerate(keys)}
    return np.array([x[places.get((block + step, names), own)] for own, (block, names) in enumerate(keys)])


def previous(x, units):
    return neighbour(x, units, -1)


def following(x, units):
    return neighbour(x, units, 1)


def diff(x):
    return np.concatenate([[0.0], np.diff(x)])


def clip(x, low, high):
    return np.minimum(np.maximum(x, low), high)


def eigenvalues(x):
    """Returns the squared singular values, ascending."""
    return np.maximum(np.linalg.eigvalsh(x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x), 0.0)


def singular_values(x):
    """Returns the singular values above the tolerance."""
    values = np.sqrt(eigenvalues(x))
    return values[values > values[-1] * 2.0**-23 * max(x.shape)]


def matrix_rank(x):
    return float(singular_values(x).size)


def logdet(x):
    return np.log(singular_values(x)).sum()


def spectral_norm(x):
    return np.sqrt(eigenvalues(x)[-1])


def stable_rank(x):
    largest = eigenvalues(x)[-1]
    return np.square(x).sum() / largest if largest > 0 else 0.0


def corref(x):
    centred = x - x.mean(axis=1, keepdims=True)
    rows = divide(centred, np.sqrt(np.square(centred).sum(axis=1, keepdims=True)))
    return np.square(rows.sum(axis=0)).sum() / x.shape[0] ** 2


def dsa_gram(x):
    return np.square(x.sum(axis=0)).sum() / x.shape[0] ** 2


def dsa_diagonal(x):
    return np.diagonal(x).mean()


def hill(values):
    """Returns the exponent of the tail formed by the values, or NaN."""
    if values[0] <= 0:
        return np.nan
    alpha = 1 + values.size / (np.log(values).sum() - values.size * np.log(values[0]))
    return alpha if np.isfinite(alpha) else np.nan


def alpha_mid(x):
    values = eigenvalues(x)
    return np.nan_to_num(hill(values[values.size // 2:]))


def alpha_peak(x, as_coded=False):
    values = eigenvalues(x)
    logarithms = np.log10(values[values > 0])
    if logarithms.size == 0:
        return 0.0
    width = (logarithms[-1] - logarithms[0]) / 100
    bins = ((logarithms - logarithms[0]) / width).astype(int) if width > 0 else np.zeros(logarithms.size, int)
    fullest = np.bincount(np.minimum(bins, 99), minlength=100).argmax()
    peak = 10 ** (logarithms[0] + width * fullest)
    lowest = np.log10(0.95 * peak) if as_coded else 0.95 * peak
    best = (np.inf, 0.0)
    for start in range(values.size - 1):
        if not lowest < values[start] < 1.5 * peak:
            continue
        tail = values[start:]
        alpha = hill(tail)
        if np.isnan(alpha):
            continue
        fit = 1 - (tail / tail[0]) ** (1 - alpha)
        distance = np.abs(fit - np.arange(tail.size) / tail.size).max()
        if distance < best[0]:
            best = (distance, alpha)
    return best[1]


def shift_onto_budget(values, parameters, target):
    """Adds one number to all values, so that their mean by parameters, clamped to [0, 1], is the target."""
    mean = lambda by: (np.clip(values + by, 0, 1) * parameters).sum() / parameters.sum()
    return move_onto_budget(mean, np.concatenate([-values, 1 - values]), target,
                            lambda by: np.clip(values + by, 0, 1))


def scale_onto_budget(values, parameters, target):
    """Multiplies all values by one number, so that their mean by parameters, at most 1, is the target."""
    values = np.maximum(values, 0)
    movable = values > 0
    reached = (movable * parameters).sum() / parameters.sum()
    if reached < target:
        left = (target - reached) * parameters.sum() / ((~movable) * parameters).sum()
        return np.where(movable, 1.0, left)
    mean = lambda by: (np.clip(values * by, 0, 1) * parameters).sum() / parameters.sum()
    return move_onto_budget(mean, np.concatenate([[0], 1 / values[movable]]), target,
                            lambda by: np.clip(values * by, 0, 1))


def move_onto_budget(mean, corners, target, values):
    """Solves mean(by) = target, where mean rises along straight lines between the corners."""
    corners = np.sort(corners)
    low, high = 0, corners.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if mean(corners[middle]) <= target else (low, middle)
    below, above = mean(corners[low]), mean(corners[high])
    step = (target - below) / (above - below) if above > below else 0.0
    return values(corners[low] + step * (corners[high] - corners[low]))


def whole_weights(total, quotas, most):
    """Distributes a total in whole numbers by largest remainder; among equal remainders the first is raised."""
    counts = np.minimum(np.floor(quotas).astype(np.int64), most)
    for index in np.argsort(-(quotas - counts), kind="stable")[:max(total - int(counts.sum()), 0)]:
        counts[index] += 1
    return counts


def round_half_up(x):
    return int(np.floor(x + 0.5))
