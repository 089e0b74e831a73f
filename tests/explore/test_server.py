"""The server: its pages and answers, and every wrong request refused with a sentence."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from minigan.explore.explorer import Explorer
from minigan.explore.server import FILES
from minigan.explore.serving import PortError, open_port

PICTURE = {"noise": 0, "codes": [2, 0.5, -1]}
ANSWERS = ("model", "picture", "traversal", "read", "real")


def assert_refused(response: Any, status: int = 400) -> str:
    """Check for one sentence and no more, and return it."""
    assert response.status_code == status
    fields = response.json()
    assert set(fields) == {"error"}
    assert fields["error"] and "\n" not in fields["error"] and "Traceback" not in fields["error"]
    return str(fields["error"])


def test_it_serves_the_page_and_its_files(client: TestClient) -> None:
    for path in FILES:
        response = client.get(f"/{path}")
        assert response.status_code == 200 and response.text
        assert "default-src 'self'" in response.headers["content-security-policy"]
        assert "http://" not in response.text.replace("http://www.w3.org", "")
    page = client.get("/").text
    for path in set(FILES) - {""}:
        assert f'"{path}"' in page


def test_the_model_describes_its_codes(client: TestClient) -> None:
    model = client.post("/api/model", json={}).json()
    assert model["shape"] == [28, 28, 1]
    assert [code["kind"] for code in model["codes"]] == ["categorical", "continuous", "continuous"]
    assert model["codes"][0]["size"] == 3


def test_answers_hold_what_the_explorer_says(client: TestClient, explorer: Explorer) -> None:
    answer = client.post("/api/picture", json=PICTURE).json()
    pixels, reading = explorer.picture(0, [2.0, 0.5, -1.0])
    assert base64.b64decode(answer["pixels"]) == pixels.tobytes()
    assert answer["real"] == reading.real and len(answer["codes"]) == 3
    read = client.post("/api/read", json={"pixels": answer["pixels"]}).json()
    assert read == json.loads(json.dumps(explorer.read(pixels[None])[0].to_json()))
    traversal = client.post("/api/traversal", json=PICTURE | {"code": 0}).json()
    assert traversal["values"] == [0, 1, 2] and traversal["pixels"][2] == answer["pixels"]
    real = client.post("/api/real", json={}).json()
    assert len(real["pixels"]) == len(real["readings"]) > 0


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"host": "localhost:8710"}, True),
        ({"host": "127.0.0.1"}, True),
        ({"host": "127.0.0.1.evil.example"}, False),
        ({"host": "evil.example:8710"}, False),
        ({"host": "[::1"}, False),
        ({"host": "evil.example@127.0.0.1"}, False),
        ({"host": "127.0.0.1/evil.example"}, False),
        ({"host": "localhost:999999"}, False),
        ({"host": ""}, False),
        ({"origin": "http://127.0.0.1:8710"}, True),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://localhost.evil.example"}, False),
    ],
)
def test_it_refuses_foreign_hosts_and_origins(
    client: TestClient, headers: dict[str, str], allowed: bool
) -> None:
    for response in (
        client.get("/", headers=headers),
        client.post("/api/picture", json=PICTURE, headers=headers),
    ):
        if allowed:
            assert response.status_code == 200
        else:
            assert "alone" in assert_refused(response, 403)


def test_a_website_that_names_this_port_is_refused(client: TestClient) -> None:
    """Another program's page on this machine has another port."""
    assert_refused(client.get("/", headers={"origin": "http://127.0.0.1:9999"}), 403)


@pytest.mark.parametrize(
    ("name", "fields", "word"),
    [
        ("picture", {}, "codes"),
        ("picture", {"codes": [0, 0, 0]}, "noise"),
        ("picture", PICTURE | {"noise": -1}, "noise"),
        ("picture", PICTURE | {"noise": 2**32}, "noise"),
        ("picture", PICTURE | {"noise": True}, "noise"),
        ("picture", PICTURE | {"codes": [3, 0, 0]}, "c1"),
        ("picture", PICTURE | {"codes": [0.5, 0, 0]}, "c1"),
        ("picture", PICTURE | {"codes": [0, 11, 0]}, "c2"),
        ("picture", PICTURE | {"codes": [0, 0, "1"]}, "c3"),
        ("picture", PICTURE | {"codes": [0, 0]}, "3 numbers"),
        ("traversal", PICTURE, "'code'"),
        ("traversal", PICTURE | {"code": 3}, "'code'"),
        ("read", {}, "784 bytes"),
        ("read", {"pixels": "AAAA"}, "784 bytes"),
        ("read", {"pixels": "é" * 1046}, "784 bytes"),
        ("read", {"pixels": "A" * 90_000}, "784 bytes"),
    ],
)
def test_a_wrong_value_is_named(
    client: TestClient, name: str, fields: dict[str, Any], word: str
) -> None:
    assert word in assert_refused(client.post(f"/api/{name}", json=fields))


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 50_000, b"9" * 5000, b"null"])
def test_what_is_no_json_object_is_refused(client: TestClient, body: bytes) -> None:
    assert "JSON" in assert_refused(client.post("/api/picture", content=body))


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_numbers_that_are_not_finite_are_refused(client: TestClient, number: bytes) -> None:
    body = b'{"noise": 0, "codes": [0, %s, 0]}' % number
    assert "c2" in assert_refused(client.post("/api/picture", content=body))


def test_a_large_request_is_refused(client: TestClient) -> None:
    assert "bytes" in assert_refused(client.post("/api/read", content=b"x" * 2_000_000))


def test_other_pages_and_methods_are_refused(client: TestClient) -> None:
    assert_refused(client.get("/../pyproject.toml"), 404)
    assert_refused(client.get("/static/index.html"), 404)
    assert_refused(client.get("/api/picture"), 405)
    assert_refused(client.post("/"), 405)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.fixed_dictionaries(
    {}, optional={"noise": JSON, "codes": JSON, "code": JSON, "pixels": JSON}
)


@given(
    st.sampled_from(ANSWERS),
    st.one_of(
        st.binary(max_size=200), (FIELDS | JSON).map(lambda value: json.dumps(value).encode())
    ),
)
def test_any_request_is_answered_or_refused(client: TestClient, name: str, body: bytes) -> None:
    response = client.post(f"/api/{name}", content=body)
    if response.status_code != 200:
        assert_refused(response)


def test_a_port_in_use_is_one_line() -> None:
    with open_port(0) as listener:
        port = listener.getsockname()[1]
        assert listener.getsockname()[0] == "127.0.0.1"
        with pytest.raises(PortError, match=f"port {port} is in use; choose another with --port"):
            open_port(port)
