"""The configuration of HIL's processes: one TOML file and `HIL_*` variables, checked before anything starts.

It says what may be configured (`model`) and reads it (`load`). It opens no database and no socket, and it repairs
nothing: a setting that cannot be meant stops the process, with a line that names file, key and remedy.
"""

from hil.config.load import load
from hil.config.model import Config

__all__ = ["Config", "load"]
