"""Weighted random batches of single cells, streamed from PostgreSQL.

>>> import mappedcoll as mc
>>> coll = mc.connect("host=db1,db2 dbname=lab").collection("coll")
>>> loader = mc.Loader(coll, global_batch_size=4096, weight_by="cell_type", seed=42,
...                    obs=["cell_type"], steps_per_epoch=10_000, to="torch")
>>> for batch in loader:
...     loss = model(batch.X, batch.obs["cell_type"])
"""

from .batch import Batch
from .collection import Collection
from .connection import Server, connect
from .csr import CSR
from .errors import MappedcollError, StateError, UnavailableError
from .loader import Loader
from .local import LocalServer, local, local_server
from .sweep import Sweep

__version__ = "0.1.0"
__all__ = ["CSR", "Batch", "Collection", "Loader", "LocalServer", "MappedcollError", "Server",
           "StateError", "Sweep", "UnavailableError", "connect", "local", "local_server"]
