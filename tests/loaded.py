"What the fork server loads once for all processes that it starts: imports, and hashes of the source."
import conftest, lmdisc.datasets.rendered.heads, lmdisc.discovery, torch._dynamo  # noqa: F401  an optimizer imports the last
from lmdisc.store.source import source

for module in ("lmdisc.discovery", "lmdisc.method.detection"): source(module)
