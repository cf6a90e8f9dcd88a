"""A file that a verb writes where the caller says: never over another, whole on the disk.

Owns the errors that a person reads when it cannot be written. Files of the data folder that are
replaced are `infra/embedded/folder.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

from infra.embedded.folder import sync_folder
from schemas.errors import Exists, Missing, Refused


def write_new(path: Path, content: bytes, mode: int = 0o600) -> None:
    """A new file with `content`, durable when this returns; for its owner only unless `mode` (less
    the umask) says otherwise. Raises Exists, Missing where there is no such folder, Refused."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except FileExistsError as error:
        raise Exists(f"{path} is there already; name another file") from error
    except FileNotFoundError as error:
        raise Missing(f"{path}: {error.strerror}") from error
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    sync_folder(path.absolute().parent)
