"""Looks into a folder again and again until the file `FOLDER.enough` is there; then prints a line
for each name that it saw with each size, and how many temp names it saw at a time at most.

    FOLDER     where partners' files appear; `FOLDER.watched` is there once it was looked into
"""

import os
import pathlib
import sys

folder = sys.argv[1]
enough = pathlib.Path(folder + ".enough")
seen = set()
most = 0
pathlib.Path(folder + ".watched").touch()
while True:
    # Asked first: what happened before is still looked at.
    is_over = enough.exists()
    temps = 0
    for entry in os.scandir(folder):
        try:
            size = entry.stat().st_size
        except FileNotFoundError:
            continue
        if entry.name.endswith(".part"):
            temps += 1
            seen.add(("temp", entry.name, 0))
        else:
            seen.add(("final", entry.name, size))
    most = max(most, temps)
    if is_over:
        break
for kind, name, size in sorted(seen):
    print(kind, name, size)
print("most", most)
