"""Forms with a file: what is not the file is read into memory, so it is bounded."""

import pytest

from filmforge.domain import Kind
from tests.pages.house import KEY, House, sign_in

FILE = b'Content-Disposition: form-data; name="file"; filename="a.png"\r\n\r\na'


@pytest.mark.parametrize(
    "part",
    [
        b"Content-Disposition: form-data; name=" + b"a" * 200_000,
        b'Content-Disposition: form-data; name="kind"\r\n\r\n' + b"a" * 200_000,
        b"Content-Type: text/plain\r\n\r\n" + b"a" * 200_000,
        FILE + b"\r\n--cut\r\n" + FILE,
    ],
    ids=["header", "field", "nameless", "two files"],
)
async def test_a_form_that_holds_more_than_one_file_and_small_fields_is_refused(
    house: House, part: bytes
):
    house.shot_list(1)
    boundary = {"content-type": "multipart/form-data; boundary=cut"}
    async with house.client() as client:
        await sign_in(client, KEY)
        body = b"--cut\r\n" + part + b"\r\n--cut--\r\n"
        path = f"/films/attic/shots/shot_001/replace?kind={Kind.IMAGE}"
        answer = await client.post(path, content=body, headers=boundary)
        assert answer.status_code == 400
        assert "form" in answer.json()["detail"]
