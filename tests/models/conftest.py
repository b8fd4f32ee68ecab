"""What tests of models share."""

from typing import Any

import pytest
import torch


@pytest.fixture
def one_thread() -> Any:
    """PyTorch on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
