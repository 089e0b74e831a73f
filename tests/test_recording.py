"""When operations are recorded, and for which thread."""

import copy
import pickle
import threading

import pytest
from graphs import leaf

import minigan as mg


def test_no_grad_records_nothing() -> None:
    x = leaf(2.0)
    with mg.no_grad():
        inside = x * x
        with mg.no_grad():
            pass
        still = x * x
    assert not inside.requires_grad and not still.requires_grad
    assert (x * x).requires_grad
    with pytest.raises(KeyError), mg.no_grad():
        raise KeyError
    assert (x * x).requires_grad


def test_no_grad_of_a_function_and_an_instance_that_is_used_again() -> None:
    x = leaf(2.0)
    without = mg.no_grad()

    @without
    def square() -> mg.Tensor:
        """Return x²."""
        return x * x

    assert square.__doc__ == "Return x²."
    with without:
        with without:
            assert not square().requires_grad
        assert not (x * x).requires_grad
    assert (x * x).requires_grad and not square().requires_grad


def test_no_grad_is_of_one_thread() -> None:
    x = leaf(2.0)
    recorded: dict[str, bool] = {}
    inside, done = threading.Event(), threading.Event()

    def without() -> None:
        with mg.no_grad():
            inside.set()
            assert done.wait(10)
            recorded["without"] = (x * x).requires_grad

    thread = threading.Thread(target=without)
    thread.start()
    assert inside.wait(10)
    recorded["with"] = (x * x).requires_grad
    done.set()
    thread.join()
    assert recorded == {"with": True, "without": False}


def test_threads_may_share_an_instance_of_no_grad() -> None:
    shared, x = mg.no_grad(), leaf(2.0)
    recorded: dict[str, bool] = {}
    first_in, second_in, first_out = (threading.Event() for _ in range(3))

    def first() -> None:
        with mg.no_grad():
            with shared:
                first_in.set()
                assert second_in.wait(10)
            recorded["first, in its own block"] = (x * x).requires_grad
        first_out.set()

    def second() -> None:
        assert first_in.wait(10)
        with shared:
            second_in.set()
            assert first_out.wait(10)
        recorded["second, after the block"] = (x * x).requires_grad

    threads = [threading.Thread(target=f) for f in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recorded == {"first, in its own block": False, "second, after the block": True}


def test_an_instance_of_no_grad_is_copied_and_pickled() -> None:
    for twin in (copy.deepcopy(mg.no_grad()), pickle.loads(pickle.dumps(mg.no_grad()))):
        with twin:
            assert not (leaf(2.0) * 2).requires_grad
