"""Files that are damaged, lie or are made to harm: a short message, and no memory spent."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc
import zlib

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mriuq_cli.data import bounded
from mriuq_cli.data.nifti import read_header, read_volume
from mriuq_cli.errors import InputError, MachineError

SHAPE = (10, 11, 12)
DIM, TYPE, OFFSET, INTER, QCODE, SCODE, SROW, MAGIC = 40, 70, 108, 116, 252, 254, 280, 344


@pytest.fixture
def blob():
    data = np.random.default_rng(0).integers(0, 4000, SHAPE).astype(np.int16)
    return bytearray(nib.Nifti1Image(data, np.diag([1.0, 2, 3, 1])).to_bytes())


def refused(path, blob=None):
    """Return the message with which reading fails, which is short and names the file."""
    if blob is not None:
        path.write_bytes(blob)
    with pytest.raises(InputError) as caught:
        read_volume(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert len(text.splitlines()) <= 3
    assert "Errno" not in text
    return text


def test_a_missing_file(tmp_path):
    assert "no such file" in refused(tmp_path / "none.nii.gz")


def test_a_folder_is_no_image(tmp_path):
    (tmp_path / "a.nii").mkdir()
    assert "is a folder" in refused(tmp_path / "a.nii")


def test_a_pipe_is_no_image_and_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "a.nii")
    assert "not a regular file" in refused(tmp_path / "a.nii")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything: run the tests as another user")
def test_a_file_without_permission(tmp_path, blob):
    (tmp_path / "a.nii").write_bytes(blob)
    (tmp_path / "a.nii").chmod(0)
    assert "permission" in refused(tmp_path / "a.nii")


def test_an_empty_file(tmp_path):
    assert "empty" in refused(tmp_path / "a.nii.gz", b"")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello, this is text\n" * 50, "not a NIfTI"),
        (bytes(128) + b"DICM" + bytes(500), "DICOM"),
        (b"NRRD0004\n" + bytes(500), "NRRD"),
        (gzip.compress(b"text" * 500, mtime=0), "not a NIfTI"),
        (gzip.compress(b"", mtime=0), "not a NIfTI"),
        (b"\x1f\x8b", "truncated"),
        (b"\x1f\x8bnothing of gzip", "cannot be read"),
        (b"\x5c\x01\x00\x00", "truncated"),
        (b"a", "not a NIfTI"),
    ],
)
def test_files_of_another_kind(tmp_path, content, words):
    assert words in refused(tmp_path / "a.nii.gz", content)


def test_two_file_images_are_refused_with_a_way_out(tmp_path, blob):
    blob[MAGIC : MAGIC + 4] = b"ni1\0"
    assert "nib-convert" in refused(tmp_path / "a.hdr", blob[:348])
    assert "nib-convert" in refused(tmp_path / "a.img", blob[352:])
    assert "nib-convert" in refused(tmp_path / "a.nii", blob)


@pytest.mark.parametrize("keep", [100, 347, 348, 352, 353, 1000])
def test_a_truncated_plain_file(tmp_path, blob, keep):
    assert "truncated" in refused(tmp_path / "a.nii", blob[:keep])


def test_two_sizes_that_differ_by_little_are_told_to_the_byte(tmp_path, blob):
    assert f"announces {len(blob)} bytes, but a file of {len(blob) - 1} bytes" in refused(tmp_path / "a.nii", blob[:-1])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9, 0.999])
def test_a_truncated_gzip_file(tmp_path, blob, share):
    packed = gzip.compress(bytes(blob))
    assert "truncated" in refused(tmp_path / "a.nii.gz", packed[: int(len(packed) * share)])


@pytest.mark.parametrize("where", [-8, -4])
def test_a_wrong_gzip_checksum_or_length(tmp_path, blob, where):
    packed = bytearray(gzip.compress(bytes(blob)))
    packed[where] ^= 1
    assert "checksum" in refused(tmp_path / "a.nii.gz", packed)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_flipped_bit_in_a_gzip_file_never_passes(tmp_path, blob, data):
    """Apart from bits that mean nothing: the gzip header's (time, system, level), and a few of deflate's.

    Of this file's 19,000 bits after the header three can be turned without changing a byte of what it unpacks to.
    """
    packed = bytearray(gzip.compress(bytes(blob), mtime=0))
    position = data.draw(st.integers(10, len(packed) - 1))
    packed[position] ^= 1 << data.draw(st.integers(0, 7))
    if unpacked(packed) == blob:
        (tmp_path / "a.nii.gz").write_bytes(packed)
        (tmp_path / "b.nii").write_bytes(blob)
        assert np.array_equal(read_volume(tmp_path / "a.nii.gz").data, read_volume(tmp_path / "b.nii").data)
    else:
        refused(tmp_path / "a.nii.gz", packed)


def unpacked(packed):
    try:
        return gzip.decompress(bytes(packed))
    except (OSError, EOFError, zlib.error):
        return None


@pytest.mark.parametrize(("position", "bit"), [(145, 7), (155, 5), (2405, 7)])
def test_a_flipped_bit_that_changes_nothing_is_no_damage(tmp_path, blob, position, bit):
    packed = bytearray(gzip.compress(bytes(blob), mtime=0))
    packed[position] ^= 1 << bit
    if unpacked(packed) != blob:
        pytest.skip("this Python's zlib packs differently: these bits carry data there")
    (tmp_path / "a.nii.gz").write_bytes(packed)
    assert read_volume(tmp_path / "a.nii.gz").data.shape == SHAPE


@pytest.mark.parametrize(
    ("place", "code", "value", "words"),
    [
        (DIM, "h", 0, "0 dimensions"),
        (DIM, "h", 8, "8 dimensions"),
        (DIM, "h", -3, "-3 dimensions"),
        (DIM + 2, "h", 0, "impossible size"),
        (DIM + 4, "h", -5, "impossible size"),
        (DIM + 6, "h", 32767, "cannot hold"),
        (TYPE, "h", 32, "complex"),
        (TYPE, "h", 128, "RGB"),
        (TYPE, "h", 2304, "RGBA"),
        (TYPE, "h", 1536, "128-bit"),
        (TYPE, "h", 1, "one bit"),
        (TYPE, "h", 999, "unknown type 999"),
        (TYPE, "h", 64, "cannot hold"),
        (OFFSET, "f", 12.0, "byte 12"),
        (OFFSET, "f", -1.0, "byte -1"),
        (OFFSET, "f", float("nan"), "byte nan"),
        (OFFSET, "f", 1e30, "byte 1e+30"),
        (OFFSET, "f", 60000.0, "cannot hold"),
        (SROW, "f", float("nan"), "sform"),
        (SROW, "f", 0.0, "sform"),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_header_that_says_what_cannot_be(tmp_path, place, code, value, words, order):
    data = np.ones(SHAPE, dtype=np.int16)
    image = nib.Nifti1Image(data, np.diag([1.0, 2, 3, 1]), nib.Nifti1Header(endianness=order))
    blob = bytearray(image.to_bytes())
    struct.pack_into(order + code, blob, place, value)
    assert words in refused(tmp_path / "a.nii", blob)
    if words != "cannot hold":  # a small file of equal numbers may well unpack to a large one
        assert words in refused(tmp_path / "a.nii.gz", gzip.compress(bytes(blob)))


def test_a_scaling_that_is_not_finite(tmp_path, blob):
    struct.pack_into("<ff", blob, OFFSET + 4, 2.0, float("inf"))
    assert "scl_inter" in refused(tmp_path / "a.nii", blob)


def test_neither_sform_nor_qform(tmp_path, blob):
    struct.pack_into("<hh", blob, QCODE, 0, 0)
    text = refused(tmp_path / "a.nii", blob)
    assert "left and right cannot be told" in text
    assert "setsform" in text


def test_sform_wins_over_a_contradicting_qform_with_a_warning(tmp_path, blob):
    struct.pack_into("<hh", blob, QCODE, 1, 1)
    struct.pack_into("<f", blob, 268, 5.0)  # qoffset_x
    (tmp_path / "a.nii").write_bytes(blob)
    header = read_header(tmp_path / "a.nii")
    assert np.array_equal(header.geometry.affine, np.diag([1.0, 2, 3, 1]))
    assert "5 mm apart; the sform is used" in header.warnings[0]


def test_qform_alone_is_used(tmp_path, blob):
    struct.pack_into("<hh", blob, QCODE, 1, 0)
    struct.pack_into("<f", blob, 268, 5.0)
    (tmp_path / "a.nii").write_bytes(blob)
    header = read_header(tmp_path / "a.nii")
    assert header.geometry.affine[0, 3] == 5
    assert header.warnings == ()


@pytest.mark.parametrize("packing", [bytes, gzip.compress])
def test_a_header_that_announces_less_than_there_is(tmp_path, blob, packing):
    big = blob[:352] + bytes(10_000) + blob[352:]
    assert "header" in refused(tmp_path / "a.nii.gz", packing(bytes(big)))


def test_a_header_that_announces_terabytes_is_refused_before_memory_is_taken(tmp_path, blob):
    struct.pack_into("<8h", blob, DIM, 4, 30000, 30000, 30000, 4, 1, 1, 1)
    tracemalloc.start()
    try:
        assert "announces" in refused(tmp_path / "a.nii.gz", gzip.compress(bytes(blob)))
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def test_a_gzip_bomb_is_not_unpacked(tmp_path, blob):
    """A small image followed by 200 MB of zeros."""
    path = tmp_path / "a.nii.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(bytes(blob))
        for _ in range(200):
            file.write(bytes(10**6))
    tracemalloc.start()
    try:
        assert "more voxels than its header says" in refused(path)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def test_what_would_not_fit_into_memory_is_refused_as_the_machines_fault(tmp_path, blob, monkeypatch):
    (tmp_path / "a.nii").write_bytes(blob)
    monkeypatch.setattr(bounded, "_free_memory", lambda: 1000)
    with pytest.raises(MachineError, match="of memory"):
        read_volume(tmp_path / "a.nii")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6))
def test_whatever_a_header_says_reading_ends_with_an_image_or_a_message(tmp_path, blob, changes):
    for place, value in changes:
        blob = blob[:place] + bytes([value]) + blob[place + 1 :]
    (tmp_path / "a.nii").write_bytes(blob)
    try:
        volume = read_volume(tmp_path / "a.nii")
    except (InputError, MachineError):
        return
    assert volume.data.dtype == np.float32
    assert np.isfinite(volume.geometry.affine).all()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 283), st.integers(0, 255)), min_size=1, max_size=6))
def test_the_same_holds_for_freesurfer_volumes(tmp_path, changes):
    path = tmp_path / "a.mgh"
    nib.save(nib.MGHImage(np.ones(SHAPE, dtype=np.int16), np.diag([1.0, 2, 3, 1])), path)
    blob = bytearray(path.read_bytes())
    for place, value in changes:
        blob[place] = value
    path.write_bytes(blob)
    try:
        assert read_volume(path).data.dtype == np.float32
    except (InputError, MachineError):
        return
