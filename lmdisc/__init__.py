__version__ = "0.1.0"

from .notebooks import register
register()
