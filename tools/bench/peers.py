"""The peers of a suite: PyTorch on the same GPU.

`run.py` uses it. Needs PyTorch with CUDA; `load` says why where there is none. TF32 is off,
f16 products sum in f32. Inputs rotate, as those of kforge-run do, so that the cache does not
serve what memory must.
"""

import statistics

# As the timer of kforge-run: at least 4 sets of inputs, at most 15, up to 256 MiB of them.
FEWEST_SETS, MOST_SETS, SET_BYTES = 4, 15, 256 << 20
# Milliseconds of a call below which several go into one CUDA graph, and how many.
SHORT_MS, GRAPH_CALLS = 0.05, 20
# Lanes of f32 multiply-adds of a multiprocessor, by compute capability.
LANES = {(7, 0): 64, (7, 5): 64, (8, 0): 64, (8, 6): 128, (8, 7): 128, (8, 9): 128,
         (9, 0): 128, (10, 0): 128, (10, 3): 128, (12, 0): 128, (12, 1): 128}


def load():
    """PyTorch and None, or None and why there are no peers."""
    try:
        import torch
    except ImportError as error:
        return None, f"PyTorch cannot be imported: {error}"
    if not torch.cuda.is_available():
        return None, f"PyTorch {torch.__version__} finds no CUDA device"
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    # The context, which lives as long as this process, keeps the GPU's clock up.
    torch.zeros(1, device="cuda")
    torch.cuda.synchronize()
    return torch, None


class Peers:
    """Calls and times of the works of a suite."""

    def __init__(self, torch, samples):
        self.torch, self.samples = torch, samples
        self.compiled = {}

    def time(self, work, peer, seed):
        """Milliseconds of each of at least half of the samples, and how they were taken."""
        torch = self.torch
        torch.manual_seed(seed)
        with torch.no_grad():
            try:
                calls = self.calls(work, peer)
                return self.times(calls, (self.samples + 1) // 2)
            finally:
                calls = None
                torch.cuda.synchronize()
                torch.cuda.empty_cache()

    def roofline(self, clock_mhz):
        """Bytes per second of a copy that moves 1 GiB, and f32 operations per second at a clock."""
        torch = self.torch
        with torch.no_grad():
            pairs = [[torch.empty(1 << 29, dtype=torch.uint8, device="cuda") for _ in range(2)]
                     for _ in range(2)]
            calls = [lambda to=to, it=it: to.copy_(it) for to, it in pairs]
            ms, _ = self.times(calls, 10)
            pairs = calls = None
            torch.cuda.empty_cache()
        device = torch.cuda.get_device_properties(0)
        lanes = LANES.get((device.major, device.minor))
        if lanes is None or not clock_mhz:
            return None
        return {
            "bytes_per_second": (1 << 30) / statistics.median(ms) * 1e3,
            "flops_per_second": device.multi_processor_count * lanes * 2 * clock_mhz * 1e6,
        }

    def calls(self, work, peer):
        """A call for each set of inputs."""
        torch = self.torch
        kind, sizes = next(iter(work["op"].items()))
        dtype = {"f32": torch.float32, "f16": torch.float16}[work["element"]]
        size = work["bytes"]
        if peer == "copy":
            make = lambda: self.copy(size // 2)
        elif kind == "block":
            # It keeps its weights, as kforge-run's does, so it is x alone that changes.
            size = sizes["positions"] * sizes["features"] * dtype.itemsize
            weights = self.weights(sizes, dtype)
            make = lambda: self.block(sizes, dtype, peer, weights)
        else:
            make = lambda: getattr(self, kind)(sizes, dtype)
        sets = min(max(SET_BYTES // max(size, 1), FEWEST_SETS), MOST_SETS)
        return [make() for _ in range(sets)]

    def random(self, dtype, *shape):
        return self.torch.randn(*shape, device="cuda", dtype=dtype)

    def copy(self, count):
        """Reads `count` bytes and writes as many."""
        source, target = (
            self.torch.zeros(count, dtype=self.torch.uint8, device="cuda") for _ in range(2)
        )
        return lambda: target.copy_(source)

    def matmul(self, sizes, dtype):
        m, n, k = sizes["m"], sizes["n"], sizes["k"]
        a, b = self.random(dtype, m, k), self.random(dtype, k, n)
        c = self.torch.empty(m, n, device="cuda", dtype=dtype)
        return lambda: self.torch.mm(a, b, out=c)

    def softmax(self, sizes, dtype):
        x = self.random(dtype, sizes["rows"], sizes["columns"])
        return lambda: self.torch.softmax(x, -1)

    def layer_norm(self, sizes, dtype):
        x = self.random(dtype, sizes["rows"], sizes["columns"])
        gamma, beta = (self.random(dtype, sizes["columns"]) for _ in range(2))
        norm = self.torch.nn.functional.layer_norm
        return lambda: norm(x, x.shape[-1:], gamma, beta)

    def rms_norm(self, sizes, dtype):
        x = self.random(dtype, sizes["rows"], sizes["columns"])
        gamma = self.random(dtype, sizes["columns"])
        norm = self.torch.nn.functional.rms_norm
        return lambda: norm(x, x.shape[-1:], gamma, 1e-5)

    def attention(self, sizes, dtype):
        shape = [sizes[name] for name in ("batch", "heads", "positions", "head")]
        q, k, v = (self.random(dtype, *shape) for _ in range(3))
        attend = self.torch.nn.functional.scaled_dot_product_attention
        return lambda: attend(q, k, v, is_causal=sizes["causal"])

    def weights(self, sizes, dtype):
        """Weights and biases of six layers, then gamma and beta of two norms."""
        width, hidden = sizes["features"], sizes["hidden"]
        layers = [(width, width)] * 4 + [(hidden, width), (width, hidden)]
        pairs = [(self.random(dtype, out, inner) * 0.02, self.random(dtype, out) * 0.02)
                 for out, inner in layers]
        norms = [self.random(dtype, width) for _ in range(4)]
        return [it for pair in pairs for it in pair] + norms

    def block(self, sizes, dtype, peer, weights):
        x = self.random(dtype, 1, sizes["positions"], sizes["features"])
        run = encoder(self.torch, sizes["heads"])
        if peer == "compile":
            key = (str(dtype), *sorted(sizes.items()))
            if key not in self.compiled:
                self.compiled[key] = self.torch.compile(run)
            run = self.compiled[key]
        return lambda: run(x, *weights)

    def times(self, calls, samples):
        """Milliseconds of a call, so many times, and how: by events around one call, or
        around a graph of several where one is short."""
        torch = self.torch
        for call in calls * 3:
            call()
        torch.cuda.synchronize()
        once = statistics.median(self.events(calls, max(samples, len(calls))))
        if once >= SHORT_MS:
            return self.events(calls, samples), "events"
        rounds = -(-GRAPH_CALLS // len(calls))
        count = rounds * len(calls)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                for call in calls * rounds:
                    call()
        except RuntimeError:
            # What cannot be captured is timed with what its launches cost.
            torch.cuda.synchronize()
            return self.events(calls, samples), "events"
        for _ in range(3):
            graph.replay()
        torch.cuda.synchronize()
        times = self.events([graph.replay], samples)
        return [ms / count for ms in times], f"graph of {count}"

    def events(self, calls, samples):
        """Times of so many calls in turns. All are queued before any is waited for, so that
        what the host needs for a launch is hidden wherever the device needs longer."""
        torch = self.torch
        pairs = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(samples)]
        # The queue is filled while these run.
        for index in range(3):
            calls[index % len(calls)]()
        for index, (start, end) in enumerate(pairs):
            start.record()
            calls[index % len(calls)]()
            end.record()
        torch.cuda.synchronize()
        return [start.elapsed_time(end) for start, end in pairs]


def encoder(torch, heads):
    """An encoder block with norms first, as kforge's: see `Op::Block`."""
    nn = torch.nn.functional

    def run(x, qw, qb, kw, kb, vw, vb, ow, ob, uw, ub, dw, db, g1, b1, g2, b2):
        batch, positions, width = x.shape

        def split(y):
            return y.view(batch, positions, heads, width // heads).transpose(1, 2)

        h = nn.layer_norm(x, (width,), g1, b1)
        q, k, v = (split(nn.linear(h, w, b)) for w, b in ((qw, qb), (kw, kb), (vw, vb)))
        seen = nn.scaled_dot_product_attention(q, k, v)
        seen = seen.transpose(1, 2).reshape(batch, positions, width)
        x = x + nn.linear(seen, ow, ob)
        h = nn.layer_norm(x, (width,), g2, b2)
        return x + nn.linear(nn.gelu(nn.linear(h, uw, ub)), dw, db)

    return run
