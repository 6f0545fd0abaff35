"""Every test runs on 8 simulated CPU devices; the flag must be set before jax is imported."""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8 " + os.environ.get("XLA_FLAGS", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The same small program is compiled by many tests, some in child processes: compile it once.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.mkdtemp(prefix="hbt_jax_compiled_"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # data_prep, which is not part of the package
with contextlib.suppress(ImportError):
    import triton  # noqa: F401 - of PyTorch for GPUs, which crashes when it is loaded after TensorFlow
