"""Checks what a Markdown page shows: usage check-page.py PAGE FOLDER.

Fenced blocks say what they are in the words behind their opening fence:

  console            lines beginning with `$ ` are run by sh, one after the other,
                     and must print the lines below them (both streams); a line
                     `...` stands for any lines, ` ...` at a line's end for the
                     rest of it. Every command must succeed, ...
  console fails      ... or must fail.
  console varies     Numbers and the device's name differ from machine to machine.
  LANGUAGE file=NAME  is written to NAME before the commands run.
  LANGUAGE from=PATH  must stand in that file of the repository, word for word;
                     a line `...` separates pieces.

Besides, every relative link must lead to something, and every path in `code` that
begins with a folder of the repository must exist; `...`, capitals (`OP.rs`), a blank
or a wildcard make it a pattern, which is not looked up.

Commands run in FOLDER, where `test` is the repository's and `target/debug` is the
folder of the built tools.
Other blocks are only shown.
"""

import json
import os
import re
import shutil
import subprocess
import sys

# The machine on which the pages were written.
DEVICE = "llvmpipe (LLVM 15.0.6, 256 bits)"
DRIVER = "llvmpipe Mesa 22.3.6 (LLVM 15.0.6)"
NUMBER = re.compile(r"-?\b\d+(\.\d+)?(e[-+]?\d+)?")


def blocks(page):
    """(line number, info words, lines) of every fenced block."""
    found, open_at = [], None
    for number, line in enumerate(page, 1):
        fence = re.match(r"(`{3,})(.*)", line)
        if fence and open_at is None:
            open_at, words, body = number, fence[2].split(), []
        elif fence and not fence[2]:
            found.append((open_at, words, body))
            open_at = None
        elif open_at is not None:
            body.append(line)
    return found


def words_of(words, key):
    return [word.split("=", 1)[1] for word in words if word.startswith(key + "=")]


def pieces(lines):
    """The runs of lines between the lines that are only `...`."""
    parts = [[]]
    for line in lines:
        if line.strip().lstrip("/# ") == "...":
            parts.append([])
        else:
            parts[-1].append(line)
    return parts


def matches(expected, actual):
    """Whether the output lines are the expected ones, `...` standing for any."""
    if not expected:
        return not actual
    if expected[0].strip() == "...":
        return any(matches(expected[1:], actual[at:]) for at in range(len(actual) + 1))
    if not actual:
        return False
    head, cut, rest = expected[0].partition(" ...")
    same = actual[0].startswith(head) if cut and not rest else expected[0] == actual[0]
    return same and matches(expected[1:], actual[1:])


def device():
    """Name and driver of this machine's GPU, as reports print them."""
    report = subprocess.run(["kforge", "diagnose-gpu", "--json"], capture_output=True, text=True)
    found = json.loads(report.stdout)["device"]
    return found["name"], (found["driver"] + " " + found["driver_info"]).strip()


def masked(lines, name, driver):
    # The longer of the two first: one may be part of the other.
    for text in sorted((name, driver), key=len, reverse=True):
        lines = [line.replace(text, "DEVICE") for line in lines]
    return [NUMBER.sub("N", line) for line in lines]


def commands(lines):
    """(command, expected lines) of a console block."""
    found = []
    for line in lines:
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif found and found[-1][0][-1].endswith("\\") and not found[-1][1]:
            found[-1][0].append(line)
        elif found:
            found[-1][1].append(line)
    return [("\n".join(command), output) for command, output in found]


def check_commands(place, words, lines, folder):
    for command, expected in commands(lines):
        run = subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=dict(os.environ, XDG_RUNTIME_DIR=folder),
        )
        actual = run.stdout.splitlines()
        if (run.returncode != 0) != ("fails" in words):
            sys.exit("%s: `%s` ended with %d:\n%s" % (place, command, run.returncode, run.stdout))
        if "varies" in words:
            expected = masked(expected, DEVICE, DRIVER)
            actual = masked(actual, *device())
        expected = [line.rstrip() for line in expected]
        actual = [line.rstrip() for line in actual]
        if not matches(expected, actual):
            shown = "\n".join(expected), "\n".join(actual)
            sys.exit("%s: `%s` printed other lines.\nexpected:\n%s\nprinted:\n%s" % (place, command, *shown))


def check_paths(page, root):
    """Links and quoted paths outside the blocks."""
    with open(page, encoding="utf-8") as file:
        text = re.sub(r"(?ms)^```.*?^```$", "", file.read())
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target and not os.path.exists(os.path.join(os.path.dirname(page), target)):
            sys.exit("%s: the link to %s leads nowhere" % (page, target))
    for path in re.findall(r"`([\w.-]+/[^`\s*]*)`", text):
        built = path.split("/")[0] in ("target", "package", "kernels")
        pattern = "..." in path or re.search(r"\b[A-Z]{2,}\b", path)
        if not (built or pattern or os.path.exists(os.path.join(root, path))):
            sys.exit("%s: there is no %s" % (page, path))


def main():
    page, folder = sys.argv[1:]
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
    # What an earlier run left must not make a command succeed.
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "target"))
    os.symlink(os.path.join(root, "test"), os.path.join(folder, "test"))
    tools = os.path.dirname(shutil.which("kforge-opt"))
    os.symlink(tools, os.path.join(folder, "target", "debug"))
    check_paths(page, root)
    with open(page, encoding="utf-8") as file:
        found = blocks(file.read().splitlines())
    checked = 0
    for number, words, lines in found:
        place = "%s:%d" % (page, number)
        for name in words_of(words, "file"):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
        for path in words_of(words, "from"):
            with open(os.path.join(root, path), encoding="utf-8") as file:
                source = file.read()
            for piece in pieces(lines):
                if "\n".join(piece) not in source:
                    sys.exit("%s: this is not in %s:\n%s" % (place, path, "\n".join(piece)))
            checked += 1
        if words[:1] == ["console"]:
            check_commands(place, words, lines, folder)
            checked += 1
    # A page without anything to check would pass whatever it says.
    if checked == 0:
        sys.exit("%s: no block is checked" % page)
    print("%s: %d blocks checked" % (page, checked))


main()
