"""Keys that Python orders as the server does: as bytes.

* `key`        `Key`: from rows to ordered bytes, from these to SQL
* `column`     `KeyColumn`, and what a family of types must know: `Codec`
* `integers` `decimals` `temporals` `binaries`    the families
* `codecs`     which family has which type
"""

from alterd_vitess.keys.codecs import SUPPORTED
from alterd_vitess.keys.column import KeyColumn
from alterd_vitess.keys.key import Key

__all__ = ["SUPPORTED", "Key", "KeyColumn"]
