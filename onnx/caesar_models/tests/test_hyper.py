"""The hyperprior sees grids of blocks of any size."""

import pytest

torch = pytest.importorskip("torch")

from caesar_models import networks, train_hyper, transform
from caesar_models.train import SIZE


@pytest.mark.parametrize("frames", [1, 8])
@pytest.mark.parametrize("n", transform.BLOCKS)
def test_every_block_has_its_scales(frames, n):
    sums = torch.rand(2, networks.hyper_channels(frames), SIZE // n, SIZE // n) * 100
    bits, log_scale = train_hyper.Hyperprior(frames)(train_hyper.energy(sums))
    assert bits.shape == (2,) and log_scale.shape == sums.shape
