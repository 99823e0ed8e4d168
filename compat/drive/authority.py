"""Certificates for a run, made by `openssl`: an authority, and what it signs. Nothing of them outlives the run."""

import shutil
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


def furnish(folder: Path, port: int, is_wanted: bool) -> str:
    """Puts certificates into a folder, under the names that suites look for; the configuration of a node that has one of them.

    `is_wanted`: nobody is let in without a certificate.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority, stranger = Authority(folder, "ca"), Authority(folder, "stranger")
    local = "DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1"
    made = {
        "server": authority.sign("node", "/CN=localhost", local, kind="rsa"), "client": authority.sign("shop", "/CN=shop", kind="rsa"),
        "broken": stranger.sign("foreign", "/CN=shop", kind="rsa"),
    }
    names = {"server": ("server_certificate", "server_key"), "client": ("client_certificate", "client_key")}
    names["broken"] = ("client_certificate_broken", "client_key_broken")
    for whose, files in made.items():
        for file, name in zip(files, names[whose], strict=True):
            file.rename(folder / f"{name}.pem")
    authority.pem.rename(folder / "ca_certificate.pem")
    for file, other in (("ca_certificate.pem", "ca.pem"), ("client_certificate.pem", "client.pem"), ("client_key.pem", "client.key")):
        shutil.copyfile(folder / file, folder / other)
    # A folder of authorities as OpenSSL looks through it.
    (folder / "hashed").mkdir(exist_ok=True)
    shutil.copyfile(folder / "ca.pem", folder / "hashed" / "ca.pem")
    openssl("rehash", folder / "hashed")
    return f"""listeners.ssl.1 = 127.0.0.1:{port}
ssl_options.cacertfile = {folder}/ca_certificate.pem
ssl_options.certfile = {folder}/server_certificate.pem
ssl_options.keyfile = {folder}/server_key.pem
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = {"true" if is_wanted else "false"}
"""
