# SPDX-License-Identifier: Apache-2.0
"""What compare_peers.py times: operations, the operators of gdreg-bench that do them, and the calls of the peers.

A peer is a function of a Scene that returns the call to time, or raises Unavailable.
"""
import importlib


class Unavailable(Exception):
    """A peer that cannot run here; the message is its row."""


def load(module):
    """Imports a module, or tells whether it is absent or broken."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        absent = error.name or module
        raise Unavailable("not installed" if module.startswith(absent) else "not installed (needs %s)" % absent)
    except Exception as error:  # an extension that does not load or compile
        raise Unavailable("failed to load: " + first_line(error))


def first_line(error):
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:160]


class Scene:
    """Images and fields as tensors: the phantoms of gdreg-bench, without their noise."""

    def __init__(self, torch, device, size, batch):
        self.torch, self.device, self.size, self.batch = torch, device, size, batch
        self.shape = tuple(reversed(size))  # z, y, x
        self.cache = {}

    def once(self, name, make):
        if name not in self.cache:
            self.cache[name] = make()
        return self.cache[name]

    def axes(self):
        return [self.torch.arange(n, device=self.device, dtype=self.torch.float32).view(
            [n if axis == i else 1 for i in range(3)]) for axis, n in enumerate(self.shape)]

    def image(self, phase):
        def make():
            z, y, x = self.axes()
            nz, ny, nx = self.shape
            radius = (2.2 * x / nx - 1.1) ** 2 + (2.2 * y / ny - 1.1) ** 2 + (2.2 * z / nz - 1.1) ** 2
            values = 0.5 + 0.3 * (0.31 * x + phase).sin() * (0.23 * y).cos() * (0.27 * z).sin()
            image = (values * (radius < 0.85)).view((1, 1) + self.shape)
            return image.expand(self.batch + self.shape).contiguous()
        return self.once("image%g" % phase, make)

    def fixed(self):
        return self.image(0.0)

    def moving(self):
        return self.image(0.4)

    def displacement(self, amplitude=1.5):
        """(1, z, y, x, 3), in PyTorch's coordinates from -1 to 1 with align_corners."""
        def make():
            z, y, x = self.axes()
            waves = [(0.05 * y + 0.04 * z).sin(), (0.06 * x - 0.03 * z + 0.3).sin(), (0.04 * x + 0.05 * y + 0.6).sin()]
            parts = [amplitude * wave.expand(self.shape) * 2.0 / max(1, n - 1) for wave, n in zip(waves, self.size)]
            return self.torch.stack(parts, -1).unsqueeze(0).contiguous()
        return self.once("displacement%g" % amplitude, make)

    def identity(self):
        """(1, 3, 4)"""
        return self.once("affine", lambda: self.torch.eye(3, 4, device=self.device).unsqueeze(0).contiguous())

    def grid(self):
        def make():
            return self.torch.nn.functional.affine_grid(self.identity(), (1, 1) + self.shape, align_corners=True)
        return self.once("grid", make)

    def planes(self, field):
        """(1, z, y, x, 3) -> (1, 3, z, y, x)"""
        return field.permute(0, 4, 1, 2, 3).contiguous()


def forward_and_backward(scene, inputs, loss):
    """A call that evaluates the loss of leaf tensors and its gradient to the first."""
    leaf = inputs[0].clone().requires_grad_(True)

    def call():
        leaf.grad = None
        loss(leaf, *inputs[1:]).backward()
    return call


def without_gradient(scene, function):
    def call():
        with scene.torch.no_grad():
            return function()
    return call


# LNCC


def torch_lncc(scene, width):
    """1 - mean of the squared local correlation over zero padded boxes, from PyTorch's average pooling."""
    pool = lambda image: scene.torch.nn.functional.avg_pool3d(image, width, stride=1, padding=width // 2)

    def loss(moving, fixed):
        mean_m, mean_f = pool(moving), pool(fixed)
        covariance = pool(moving * fixed) - mean_m * mean_f
        variance_m = pool(moving * moving) - mean_m * mean_m
        variance_f = pool(fixed * fixed) - mean_f * mean_f
        return 1.0 - (covariance * covariance / (variance_m * variance_f + 1e-7)).mean()
    return loss


def fused_lncc(scene, width):
    function = load("fused_lncc").fused_lncc_loss
    return lambda moving, fixed: function(moving, fixed, kernel_size=width)


def fireants_lncc(scene, width, **options):
    load("fireants_fused_ops")
    return load("fireants.losses.fusedcc").FusedLocalNormalizedCrossCorrelationLoss(kernel_size=width, **options)


def lncc_rows(name, width, operator):
    """Peers for one window, with the gradient to the moving image or the value alone."""
    def peer(make_loss, *arguments, **options):
        def make(scene):
            loss = make_loss(scene, width, *arguments, **options)
            if operator.endswith("/value"):
                return without_gradient(scene, lambda: loss(scene.moving(), scene.fixed()))
            return forward_and_backward(scene, (scene.moving(), scene.fixed()), loss)
        return make

    gaussian = "gaussian" in operator
    kind = dict(kernel_type="gaussian", sigma=1.5) if gaussian else {}
    peers = [] if gaussian or width > 9 else [("fused_lncc", peer(fused_lncc))]
    peers.append(("fireants, exact gradient", peer(fireants_lncc, use_ants_gradient=False, **kind)))
    if operator.endswith("/moving"):
        peers.append(("fireants, ants gradient", peer(fireants_lncc, use_ants_gradient=True, **kind)))
    if not gaussian:
        peers.append(("torch avg_pool3d", peer(torch_lncc)))
    return Row(name, [operator], peers, batched=True)


# Mutual information


def fireants_information(bins, approximate):
    def make(scene):
        load("fireants_fused_ops")
        loss = load("fireants.losses.fusedmi").FusedGlobalMutualInformationLoss(
            kernel_type="gaussian", num_bins=bins, approximate_reduction=approximate, suppress_logging=True)
        return forward_and_backward(scene, (scene.moving(), scene.fixed()), loss)
    return make


def information_row(window, bins):
    return Row("MI with gradient, %s, %d bins" % (window, bins), ["MutualInformation/%s%d/moving" % (window, bins)],
               [("fireants gaussian, exact", fireants_information(bins, False)),
                ("fireants gaussian, approximate", fireants_information(bins, True))])


# Sampling


def torch_sample(scene, image, grid, mode="bilinear", padding="border"):
    return scene.torch.nn.functional.grid_sample(image, grid, mode=mode, padding_mode=padding, align_corners=True)


def fireants_sampler(scene):
    load("fireants_fused_ops")
    return load("fireants.interpolator.fused_grid_sample")


def resample_torch(scene):
    grid = scene.grid() + scene.displacement()
    return without_gradient(scene, lambda: torch_sample(scene, scene.moving(), grid))


def resample_fireants(scene):
    sampler = fireants_sampler(scene)
    return without_gradient(scene, lambda: sampler.fused_grid_sampler_3d(
        scene.moving(), affine=scene.identity(), grid=scene.displacement(), is_displacement=True))


def resample_gradient_torch(scene):
    slope = scene.fixed()
    return forward_and_backward(
        scene, (scene.displacement(),), lambda u: (torch_sample(scene, scene.moving(), scene.grid() + u) * slope).sum())


def resample_gradient_fireants(scene):
    sampler = fireants_sampler(scene)
    slope = scene.fixed()
    return forward_and_backward(scene, (scene.displacement(),), lambda u: (sampler.fused_grid_sampler_3d(
        scene.moving(), affine=scene.identity(), grid=u, is_displacement=True) * slope).sum())


def compose_with_torch(scene):
    planes = scene.planes(scene.displacement())

    def compose(u, v):
        return v + torch_sample(scene, u, scene.grid() + v).permute(0, 2, 3, 4, 1)
    return planes, compose


def compose_torch(scene):
    planes, compose = compose_with_torch(scene)
    return without_gradient(scene, lambda: compose(planes, scene.displacement(0.2)))


def compose_fireants(scene):
    sampler = fireants_sampler(scene)
    return without_gradient(scene, lambda: sampler.fused_warp_composer_3d(
        scene.displacement(), scene.identity(), scene.displacement(0.2)))


def exponential_torch(scene):
    _, compose = compose_with_torch(scene)

    def flow():
        u = scene.displacement() / 64.0
        for _ in range(6):
            u = compose(scene.planes(u), u)
        return u
    return without_gradient(scene, flow)


def exponential_fireants(scene):
    sampler = fireants_sampler(scene)

    def flow():
        u = scene.displacement() / 64.0
        for _ in range(6):
            u = u + sampler.fused_warp_composer_3d(u, scene.identity(), u)
        return u
    return without_gradient(scene, flow)


# Smoothing and pyramid


def smooth_torch(scene):
    torch = scene.torch
    at = torch.arange(-4, 5, device=scene.device, dtype=torch.float32)
    weights = (-0.5 * at * at).exp()
    weights = weights / weights.sum()
    field = scene.planes(scene.displacement())

    def smooth():
        result = field
        for axis in range(3):
            shape = [9 if axis == i else 1 for i in range(3)]
            padding = [n // 2 for n in shape]
            kernel = weights.view([1, 1] + shape).expand([3, 1] + shape)
            result = torch.nn.functional.conv3d(result, kernel, padding=padding, groups=3)
        return result
    return without_gradient(scene, smooth)


def smooth_fireants(scene):
    filters = load("fireants.losses.cc")
    kernel = filters.gaussian_1d(scene.torch.tensor(1.0, device=scene.device), truncated=2)
    field = scene.planes(scene.displacement())
    return without_gradient(scene, lambda: filters.separable_filtering(field, [kernel] * 3))


def downsample_fireants(use_fft):
    def make(scene):
        if use_fft:
            load("fireants_fused_ops")
        downsample = load("fireants.utils.imageutils").downsample
        size = [max(1, n // 2) for n in scene.shape]
        return without_gradient(scene, lambda: downsample(scene.fixed(), size, "trilinear", use_fft=use_fft))
    return make


def downsample_torch(scene):
    pool = scene.torch.nn.functional.avg_pool3d
    return without_gradient(scene, lambda: pool(scene.fixed(), 2))


def copy_torch(scene):
    source = scene.displacement()
    target = scene.torch.empty_like(source)
    return lambda: target.copy_(source)


class Row:
    """One operation: the operators of gdreg-bench whose times are summed, and the peers that do the same."""

    def __init__(self, name, operators, peers, batched=False):
        self.name, self.operators, self.peers, self.batched = name, operators, peers, batched


ROWS = (
    [lncc_rows("LNCC with gradient, box %d" % (2 * r + 1), 2 * r + 1, "Lncc/box%d/padded/moving" % r)
     for r in (1, 2, 3, 4, 10)]
    + [lncc_rows("LNCC value, box 7", 7, "Lncc/box3/padded/value"),
       lncc_rows("LNCC with gradient, Gaussian 1.5", 11, "Lncc/gaussian1.5/padded/moving")]
    + [information_row(window, bins) for window in ("mattes", "gaussian") for bins in (32, 64)]
    + [Row("warp by affine and displacement", ["Resample/linear/value"],
           [("fireants", resample_fireants), ("torch grid_sample, grid given", resample_torch)]),
       Row("warp, and gradient to displacement", ["Resample/linear/value", "ResampleGradient/displacement"],
           [("fireants", resample_gradient_fireants), ("torch grid_sample", resample_gradient_torch)]),
       Row("compose", ["Compose"],
           [("fireants, without adding v", compose_fireants), ("torch grid_sample", compose_torch)]),
       Row("exponential, 6 squarings", ["Exponential/6"],
           [("fireants", exponential_fireants), ("torch grid_sample", exponential_torch)]),
       Row("Gaussian smoothing of a field, sigma 1", ["GaussianSmooth/vector/variance1"],
           [("fireants, 5 taps", smooth_fireants), ("torch conv3d, 9 taps", smooth_torch)]),
       Row("downsample by 2", ["Downsample/2"],
           [("fireants, FFT", downsample_fireants(True)), ("fireants, trilinear", downsample_fireants(False)),
            ("torch avg_pool3d, no Gaussian", downsample_torch)]),
       Row("a x + b y of fields (torch: copy)", ["LinearCombination"], [("torch copy", copy_torch)])])
