"""Keys as bytes, which order as the server orders them wherever Python can know that.

* `key`        `Key`: from rows to ordered bytes, from these to SQL
* `column`     `KeyColumn`, and what a family of types must know: `Codec`
* `integers` `decimals` `temporals` `binaries` `labels` `texts`    the families
* `codecs`     which family has which type
"""

from alterd_vitess.keys.codecs import SUPPORTED
from alterd_vitess.keys.column import KeyColumn
from alterd_vitess.keys.key import Key

__all__ = ["SUPPORTED", "Key", "KeyColumn"]
