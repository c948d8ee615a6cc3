"""Rows as lines of JSON, in order of their key, to be compared: `rows.py SOURCE PLACE KEY`.

SOURCE is `csv` (PLACE: a file), `csv-nulls` (the same, where nothing is in an empty cell), `sqlite` (a file), `postgres` (a folder with its socket) or `dynamodb`
(its URL), for the last three with the table before the key. Cells that are not there are left out.
"""

import csv
import json
import sqlite3
import subprocess
import sys


def of_csv(file):
    with open(file, encoding="utf-8-sig", newline="") as text:
        yield from csv.DictReader(text)


def of_csv_with_nulls(file):
    for row in of_csv(file):
        yield {name: cell or None for name, cell in row.items()}


def of_sqlite(file, table):
    database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    for row in database.execute(f'SELECT * FROM "{table}"'):
        yield dict(row)


def of_postgres(sockets, table):
    query = f'SELECT row_to_json(t) FROM "{table}" t'
    command = ["psql", "--host", sockets, "--username", "quaymaster", "--dbname", "products", "-AtXq", "-c", query]
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n"):
        if line:
            yield json.loads(line)


def of_dynamodb(url, table):
    import boto3

    client = boto3.client("dynamodb", endpoint_url=url, region_name="eu-west-1")
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            # Strings as they are; of what is no string its type shows.
            yield {
                name: value["S"] if "S" in value else None if value == {"NULL": True} else value
                for name, value in item.items()
            }


def main(source, *place, key):
    read = {
        "csv": of_csv,
        "csv-nulls": of_csv_with_nulls,
        "sqlite": of_sqlite,
        "postgres": of_postgres,
        "dynamodb": of_dynamodb,
    }[source]
    rows = ({name: cell for name, cell in row.items() if cell is not None} for row in read(*place))
    for row in sorted(rows, key=lambda row: str(row[key])):
        print(json.dumps(row, sort_keys=True, ensure_ascii=False))


main(*sys.argv[1:-1], key=sys.argv[-1])
