import sys
from pathlib import Path

# What whole proxies in memory and as processes are made with.
for folder in ("proxy", "integration"):
    sys.path.append(str(Path(__file__).parents[1] / folder))
