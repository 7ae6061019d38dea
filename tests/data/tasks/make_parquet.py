"""Writes the parquet files in this folder, as `datasets` and `pyarrow` do: `python make_parquet.py`, with pyarrow installed."""
import os

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = os.path.dirname(os.path.abspath(__file__))
ROWS = [
    ("What does Tim throw?", "A"),
    ("What is hot?", "C"),
    ("Und wie heißt es “so”?", "B"),
]
choices = {"text": ["a ball", "a big red ball", "the sun"], "label": ["A", "B", "C"]}
rows = [{"id": question, "question": question, "choices": choices, "answerKey": key} for question, key in ROWS]
for name, some, compression in [("test-00000-of-00002", rows[:2], "snappy"), ("test-00001-of-00002", rows[2:], "none"), ("zstd", rows, "zstd")]:
    pq.write_table(pa.Table.from_pylist(some), os.path.join(FOLDER, f"{name}.parquet"), compression=compression)
