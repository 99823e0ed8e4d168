"""Passwords on a terminal: asked for without an echo, twice for a new one, and given up by Ctrl-C with the echo back."""

import os
import pty
import select
import termios
import time

DEADLINE = 20


class Terminal:
    """A command with a terminal of its own."""

    def __init__(self, shell, words: list[str]):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(shell.folder)
            os.execvpe(words[0], words, shell.env)
        self.seen = ""

    def wait_for(self, text: str) -> bool:
        """Whether it is shown in time."""
        until = time.monotonic() + DEADLINE
        while text not in self.seen and time.monotonic() < until:
            if not self.read():
                break
        return text in self.seen

    def read(self) -> bool:
        ready, _, _ = select.select([self.fd], [], [], 0.2)
        if not ready:
            return True
        try:
            piece = os.read(self.fd, 4096)
        except OSError:
            return False
        self.seen += piece.decode(errors="replace")
        return bool(piece)

    def has_echo(self) -> bool:
        return bool(termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def type(self, text: str) -> None:
        # What is typed before the echo is off would be shown.
        until = time.monotonic() + DEADLINE
        while self.has_echo() and time.monotonic() < until:
            time.sleep(0.01)
        os.write(self.fd, text.encode())

    def end(self) -> int:
        """The exit code."""
        while True:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done or not self.read():
                break
        if not done:
            _, status = os.waitpid(self.pid, 0)
        # What was written last.
        while select.select([self.fd], [], [], 0)[0] and self.read():
            pass
        echo = self.has_echo()
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status) if echo else -1


def ask(shell, words: list[str], answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Answers each prompt; gives the exit code (-1: the echo stayed off) and what was shown."""
    terminal = Terminal(shell, words)
    for prompt, answer in answers:
        if not terminal.wait_for(prompt):
            terminal.end()
            return -2, f"{prompt!r} was not asked: {terminal.seen!r}"
        terminal.type(answer)
    return terminal.end(), terminal.seen


def check(shell, verdict) -> None:
    code, seen = ask(shell, ["rabbitmqctl", "add_user", "typed"], [("Password: ", "sec\x7fcret\r"), ("The same again: ", "secret\n")])
    verdict("prompt/add-user-asks-twice", code == 0 and "secret" not in seen and "Done." in seen, (code, seen))
    done = shell.call("rabbitmqctl authenticate_user typed", "secret\n")
    verdict("prompt/what-was-typed-is-the-password", done.returncode == 0 and "Success" in done.stdout, done)
    code, seen = ask(shell, ["rabbitmqctl", "change_password", "typed"], [("Password: ", "one\n"), ("The same again: ", "two\n")])
    verdict("prompt/two-that-differ-change-nothing", code == 65 and "not the same" in seen, (code, seen))
    code, seen = ask(shell, ["rabbitmqctl", "authenticate_user", "typed"], [("Password: ", "secret\n")])
    verdict("prompt/one-that-is-known-is-asked-once", code == 0 and "Success" in seen and "again" not in seen, (code, seen))
    code, seen = ask(shell, ["rabbitmqctl", "change_password", "typed"], [("Password: ", "half\x03")])
    verdict("prompt/ctrl-c-gives-up-and-the-echo-is-back", code == 70, (code, seen))
    code, seen = ask(shell, ["rabbitmqctl", "change_password", "typed"], [("Password: ", "\x04")])
    verdict("prompt/ctrl-d-gives-up", code == 70, (code, seen))
    code, seen = ask(shell, ["rabbitmqctl", "change_password", "typed"], [("Password: ", "new\n"), ("again: ", "\x04")])
    verdict("prompt/ctrl-d-at-the-second-one-gives-up", code == 70 and shell.call("rabbitmqctl authenticate_user typed", "secret\n").returncode == 0, (code, seen))
    code, seen = ask(shell, ["rabbitmqctl", "change_password", "typed"], [("Password: ", "\n"), ("again: ", "\n")])
    verdict("prompt/an-empty-one-is-none", code == 65, (code, seen))
    file = shell.folder / "password"
    file.write_text("from a file\n", encoding="utf-8")
    done = shell.call(["rabbitmqctl", "change_password", "typed", "--password-file", str(file)])
    again = shell.call("rabbitmqctl authenticate_user typed", "from a file\n")
    verdict("password-file", done.returncode == 0 and again.returncode == 0, (done, again))
    done = shell.call("rabbitmqctl authenticate_user typed 'from a file'")
    verdict("password-as-argument-warns", done.returncode == 0 and done.stderr.startswith("Warning: "), done)
    shell.call("rabbitmqctl delete_user typed")
