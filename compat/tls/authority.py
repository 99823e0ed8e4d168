"""Certificates for a run, made by `openssl`: an authority, and what it signs. Nothing of them outlives the run."""

import subprocess
from pathlib import Path


def openssl(*words: object) -> None:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr.strip()[-300:]}")


class Authority:
    """Signs what is asked for, into files of one folder."""

    def __init__(self, folder: Path, name: str):
        self.folder, self.name = folder, name
        self.pem, self.key = folder / f"{name}.pem", folder / f"{name}-key.pem"
        openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out", self.pem,
            "-days", 30, "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=keyCertSign,cRLSign",
        )

    def sign(self, name: str, subject: str, san: str = "", days: int = 30, kind: str = "ec") -> tuple[Path, Path]:
        """A certificate and its key."""
        cert, key, wish, more = (self.folder / f"{name}{end}" for end in (".pem", "-key.pem", ".csr", ".ext"))
        what = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["rsa:2048"]
        openssl("req", "-newkey", *what, "-nodes", "-keyout", key, "-out", wish, "-subj", subject)
        more.write_text("basicConstraints=CA:false\n" + (f"subjectAltName={san}\n" if san else ""))
        openssl("x509", "-req", "-in", wish, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial", "-days", days, "-out", cert, "-extfile", more)
        return cert, key
