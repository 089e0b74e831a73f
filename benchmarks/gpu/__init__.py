"""Everything that a GPU is needed for, in one command: ``python -m benchmarks gpu``.

A *piece* is one question, such as the time of a training step. It has *parts*, which are measured one by one.
The result of a part is written when it is there, so that the command goes on where it stopped.

    command.py     the options
    session.py     which parts are measured, in which order, within how many minutes
    worker.py      the process that measures parts: an error on the GPU ends it, and not the command
    pieces.py      the pieces, those of most value first
    results.py     what is written, and what counts as measured on a GPU
    device.py      which GPU it is, and whether it is one
    pages.py       the tables of docs/gpu.md
"""
