"""Landmarks of an object category, discovered from unlabelled pictures."""
__version__ = "0.1.0"

import sys
from importlib import import_module

_OFFERED = {"discover": "discovery", "profile": "config", "open": "datasets", "ImageSet": "data.images",
            "LandmarkDiscovery": "use.estimator", "load": "use.chosen"}
__all__ = list(_OFFERED)

def __getattr__(name):
    "What users need, loaded when it is asked for: `import lmdisc` itself loads nothing."
    if name not in _OFFERED: raise AttributeError(f"module 'lmdisc' has no attribute {name!r}")
    return getattr(import_module(f"lmdisc.{_OFFERED[name]}"), name)

def __dir__(): return sorted([*globals(), *__all__])

if "IPython" in sys.modules:          # in a notebook our objects show themselves
    import_module(f"{__name__}.explore.notebooks").register()
