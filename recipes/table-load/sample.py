"""Files of rows for the check, all made up: `sample.py FOLDER`.

`products.csv` has a thousand rows of the shape that the original loads; the others are its bad cases.
"""

import csv
import io
import pathlib
import sys

HEADER = ["ID", "Title", "Availability", "Brand", "Categories", "Price (USD)", "SellerID", "SellerName", "Url"]
WORDS = ["Kettle", "Lamp", "Rope", "Čaj", "Fußmatte", "Nähgarn", "Bücherregal", "Tasse, groß", "Brush \"soft\"", "茶碗"]
BRANDS = ["Tern", "Øre", "Plum & Pear", "Ćevap", "Nordhavn"]


def product(number):
    price = f"${number % 400 + 0.99:.2f}"
    return {
        "ID": f"{number:032x}",
        "Title": f"{WORDS[number % len(WORDS)]} no. {number}",
        "Availability": "" if number % 7 == 0 else "InStock",
        "Brand": BRANDS[number % len(BRANDS)],
        "Categories": f"Home | {WORDS[number % 3]}",
        # The original's prices have a blank behind them, which is kept.
        "Price (USD)": "$12.99 " if number == 1 else price + " " * (number % 2),
        "SellerID": f"seller-{number % 12}",
        "SellerName": "Märkte & Söhne" if number % 5 == 0 else "  Two  Blanks",
        "Url": f"https://shop.example/p/{number}?a=1&b=%C3%A9",
    }


def written(rows, header=None, delimiter=","):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header or HEADER, delimiter=delimiter, lineterminator="\r\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main(folder):
    some = [product(n) for n in range(2001, 2004)]
    files = {
        "products.csv": written(product(n) for n in range(1, 1001)),
        "wrong-header.csv": written(
            [{**product(n), "ProductID": product(n)["ID"]} for n in range(3001, 3015)], ["ProductID", *HEADER[1:]]
        ),
        "one-without-id.csv": written([some[0], {**some[1], "ID": ""}, some[2]]),
        "header-only.csv": written([]),
        "empty.csv": "",
        "bom.csv": "\ufeff" + written([product(4001)]),
        "twice.csv": written([{**product(5001), "Title": "first"}, {**product(5001), "Title": "last"}]),
        "updated.csv": written([{**product(5001), "Title": "another"}]),
        "ragged.csv": "\r\n".join(
            [
                ",".join(HEADER),
                "6001,one cell too many,a,b,c,$1 ,s,n,u,extra",
                "6002,whole,a,b,c,$2 ,s,n,u",
                "6003,one cell too few,a,b,c,$3 ,s,n",
                "",
            ]
        ),
        "quoted.csv": written([{**product(7001), "Title": 'two\nlines, "quoted"'}])
        + written([{**product(7002), "Title": "a\u2028b"}]).split("\r\n", 1)[1],
        "my file.csv": written([product(8001)]),
        "flow.csv": "swagger: '2.0'\ninfo:\n  title: not rows\npaths: {}\n",
        "offers.csv": written(
            [
                {"ID": "1", "Title": "Öl", "Price (USD)": "12,99", "Availability": "yes", "Since": "31.01.2026"},
                {"ID": "2", "Title": "Cup", "Price (USD)": "", "Availability": "no", "Since": ""},
                {"ID": "x", "Title": "Pot", "Price (USD)": "1", "Availability": "no", "Since": "01.02.2026"},
                {"ID": "4", "Title": "Tray", "Price (USD)": "1", "Availability": "no", "Since": "30.02.2026"},
                {"ID": "5", "Title": "Jar", "Price (USD)": "7", "Availability": "0", "Since": "29.02.2028"},
            ],
            ["ID", "Title", "Price (USD)", "Availability", "Since"],
            ";",
        ),
        "many.csv": written(product(n) for n in range(100_000, 160_000)),
        "some.csv": written(product(n) for n in range(200_000, 203_000)),
    }
    for name, text in files.items():
        # As offers.toml declares it.
        encoding = "latin-1" if name == "offers.csv" else "utf-8"
        (folder / name).write_bytes(text.encode(encoding))
    (folder / "latin.csv").write_bytes(written([{**product(9001), "Brand": "Øre", "Title": "é"}]).encode("latin-1"))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
