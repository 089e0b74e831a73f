"""A trace of one step: its operations, kernels, memory and values, as a table, a page, or a file for Perfetto."""

from minigan.inspect.trace.recorder import tracing as tracing
from minigan.inspect.trace.result import Trace as Trace
