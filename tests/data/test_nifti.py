"""Reading and writing images, nibabel being the judge."""

from __future__ import annotations

import gzip
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_cli.data.nifti import read_header, read_volume, read_volumes, stem, write_volume
from mriuq_cli.errors import InputError

SHAPE = (5, 6, 7)
FIELDS = (
    "qform_code", "sform_code", "xyzt_units", "pixdim", "quatern_b", "quatern_c", "quatern_d",
    "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z",
)  # fmt: skip
OBLIQUE = np.array([[-0.9, 0.1, 0.05, 12.3], [0.12, 0.88, -0.2, -45.6], [0.02, 0.19, 1.1, 7.89], [0, 0, 0, 1]])


def numbers(dtype, shape=SHAPE):
    random = np.random.default_rng(3)
    if np.dtype(dtype).kind == "f":
        return (1000 * random.standard_normal(shape)).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(max(limits.min, -(2**20)), min(limits.max, 2**20), shape).astype(dtype)


def saved(path, array, *, kind=nib.Nifti1Image, order="<", slope=None, inter=None, affine=OBLIQUE):
    header = kind.header_class(endianness=order)
    header.set_data_dtype(array.dtype)
    image = kind(array, affine, header)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    if slope is not None:
        image.header.set_slope_inter(slope, inter)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_every_type_version_and_byte_order_reads_as_nibabel_reads_it(tmp_path, suffix, order, kind, dtype):
    path = saved(tmp_path / f"a{suffix}", numbers(dtype), kind=kind, order=order)
    volume = read_volume(path)
    assert volume.data.dtype == np.float32
    assert np.array_equal(volume.data, np.asarray(nib.load(path).dataobj).astype(np.float32))
    assert np.array_equal(volume.geometry.affine, nib.load(path).affine)
    assert volume.source == path


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8"])
def test_scaled_files_read_scaled(tmp_path, dtype):
    path = tmp_path / "a.nii.gz"
    image = nib.Nifti1Image(numbers(dtype), np.eye(4))
    image.header.set_slope_inter(1, 0)
    blob = bytearray(image.to_bytes())
    blob[112:120] = np.array([0.037, -12.5], "<f4").tobytes()
    path.write_bytes(gzip.compress(bytes(blob)))
    expected = nib.load(path).get_fdata()
    assert np.allclose(read_volume(path).data, expected, rtol=1e-6, atol=1e-5)


def test_data_lie_in_file_order_and_can_be_written_to(tmp_path):
    data = read_volume(saved(tmp_path / "a.nii", numbers("f4"))).data
    assert data.flags.f_contiguous
    data[0, 0, 0] = 1


def test_one_volume_of_a_4d_file_is_that_volume(tmp_path):
    array = numbers("i2", (*SHAPE, 4))
    path = saved(tmp_path / "a.nii.gz", array)
    assert read_header(path).n_volumes == 4
    for index in range(4):
        assert np.array_equal(read_volume(path, index).data, array[..., index])
    assert np.array_equal(read_volume(path).data, array)
    assert list(read_volumes(path, (3, 1))) == [1, 3]


def test_singleton_axes_beyond_the_third_do_not_count(tmp_path):
    path = saved(tmp_path / "a.nii", numbers("i2", (*SHAPE, 1, 1)))
    assert read_header(path).shape == SHAPE
    assert read_volume(path).data.shape == SHAPE


def test_the_name_does_not_decide_whether_a_file_is_compressed(tmp_path):
    packed = saved(tmp_path / "a.nii.gz", numbers("i2"))
    plain = saved(tmp_path / "b.nii", numbers("i2"))
    assert np.array_equal(read_volume(packed.rename(tmp_path / "c.nii")).data, numbers("i2"))
    assert np.array_equal(read_volume(plain.rename(tmp_path / "d.nii.gz")).data, numbers("i2"))


def test_gzip_files_of_several_members_are_read_whole(tmp_path):
    blob = saved(tmp_path / "a.nii", numbers("f4")).read_bytes()
    path = tmp_path / "b.nii.gz"
    path.write_bytes(b"".join(gzip.compress(blob[i : i + 300]) for i in range(0, len(blob), 300)))
    assert np.array_equal(read_volume(path).data, numbers("f4"))


def test_header_extensions_are_passed_over(tmp_path):
    image = nib.Nifti1Image(numbers("i2"), np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 5000))
    nib.save(image, tmp_path / "a.nii.gz")
    assert np.array_equal(read_volume(tmp_path / "a.nii.gz").data, numbers("i2"))


@pytest.mark.parametrize("suffix", [".mgz", ".mgh"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4"])
def test_freesurfer_volumes_read_and_their_affine_goes_into_nifti(tmp_path, suffix, dtype):
    path = tmp_path / f"a{suffix}"
    affine = np.array([[-1, 0, 0, 128], [0, 0, 1, -100], [0, -1, 0, 90.5], [0, 0, 0, 1.0]])
    nib.save(nib.MGHImage(numbers(dtype), affine), path)
    volume = read_volume(path)
    assert np.array_equal(volume.data, numbers(dtype).astype(np.float32))
    assert np.allclose(volume.geometry.affine, affine)
    write_volume(tmp_path / "out.nii.gz", volume.data, volume.geometry)
    written = nib.load(tmp_path / "out.nii.gz")
    assert np.allclose(written.affine, affine)
    assert (int(written.header["sform_code"]), int(written.header["qform_code"])) == (1, 1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]), st.sampled_from("<>"),
    st.tuples(*[st.floats(-100, 100, width=32)] * 12), st.integers(0, 4), st.integers(0, 4),
    st.tuples(*[st.floats(0.25, 6, width=32)] * 3), st.sampled_from([0, 2, 10]), st.sampled_from([-1, 0, 1]),
)  # fmt: skip
def test_spatial_header_fields_are_repeated_to_the_bit(tmp_path, kind, order, srow, sform, qform, size, units, qfac):
    rows = np.reshape(srow, (3, 4)) * [0.01, 0.01, 0.01, 1] + 4 * np.eye(3, 4)  # invertible
    if sform == qform == 0:
        sform = 1
    path = saved(tmp_path / "in.nii", numbers("i2"), kind=kind, order=order)
    fields = nib.load(path).header.copy()
    fields["sform_code"], fields["qform_code"], fields["xyzt_units"] = sform, qform, units
    fields["pixdim"] = [qfac, *size, 1, 1, 1, 1]
    fields["quatern_b"], fields["quatern_c"], fields["quatern_d"] = 0.1, -0.2, 0.3
    fields["qoffset_x"], fields["qoffset_y"], fields["qoffset_z"] = 1.1, 2.2, 3.3
    fields["srow_x"], fields["srow_y"], fields["srow_z"] = rows
    fields["magic"] = kind.header_class.single_magic
    fields["vox_offset"] = len(fields.binaryblock) + 4
    path.write_bytes(fields.binaryblock + path.read_bytes()[len(fields.binaryblock) :])
    write_volume(tmp_path / "out.nii", np.zeros(SHAPE), read_header(path).geometry)
    source, result = nib.load(path).header, nib.load(tmp_path / "out.nii").header
    for name in FIELDS:
        assert np.asarray(source[name]).astype("<f8").tobytes() == np.asarray(result[name]).astype("<f8").tobytes(), (
            name
        )
        assert source[name].dtype.itemsize == result[name].dtype.itemsize


@pytest.mark.parametrize("rest", [(2.5, 0, 0, 0), (0, 1, 1, 1)])
def test_what_an_input_says_of_axes_that_the_output_lacks_does_not_matter(tmp_path, rest):
    image = nib.Nifti1Image(numbers("i2"), OBLIQUE)
    image.header["pixdim"][4:] = rest
    nib.save(image, tmp_path / "in.nii")
    write_volume(tmp_path / "out.nii", np.zeros(SHAPE), read_header(tmp_path / "in.nii").geometry)
    assert (nib.load(tmp_path / "out.nii").header["pixdim"][4:] == 1).all()


def test_outputs_inherit_nothing_else_from_the_input(tmp_path):
    image = nib.Nifti1Image(numbers("i2"), np.eye(4))
    image.header["descrip"], image.header["aux_file"], image.header["intent_name"] = b"Doe^Jane", b"secret", b"name"
    image.header["cal_max"], image.header["intent_code"], image.header["db_name"] = 77, 5, b"x"
    image.header.set_slope_inter(3, 4)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Doe^Jane"))
    nib.save(image, tmp_path / "in.nii")
    write_volume(tmp_path / "out.nii", np.ones(SHAPE), read_header(tmp_path / "in.nii").geometry)
    blob = (tmp_path / "out.nii").read_bytes()
    header = nib.load(tmp_path / "out.nii").header
    assert b"Doe" not in blob
    assert len(blob) == 352 + 4 * 5 * 6 * 7
    assert header["vox_offset"] == 0 or header.get_data_offset() == 352
    assert header.get_slope_inter() in ((None, None), (1.0, 0.0))
    assert [bytes(header[n].tobytes()).strip(b"\0") for n in ("descrip", "aux_file", "intent_name", "db_name")] == [
        b""
    ] * 4
    assert (float(header["cal_max"]), int(header["intent_code"])) == (0, 0)
    assert len(header.extensions) == 0


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int16"])
def test_what_is_written_is_what_nibabel_reads(tmp_path, suffix, dtype):
    array = numbers(dtype)
    path = tmp_path / f"a{suffix}"
    write_volume(path, array, geometry_from_affine(SHAPE, OBLIQUE), dtype=dtype)
    image = nib.load(path)
    assert image.get_data_dtype() == np.dtype(dtype)
    assert np.array_equal(np.asarray(image.dataobj), array)
    assert np.allclose(image.affine, OBLIQUE, atol=1e-5)


def test_writing_twice_gives_the_same_bytes(tmp_path):
    array, geometry = numbers("f4"), geometry_from_affine(SHAPE, OBLIQUE)
    write_volume(tmp_path / "a.nii.gz", array, geometry)
    write_volume(tmp_path / "b.nii.gz", np.ascontiguousarray(array), geometry)
    first = (tmp_path / "a.nii.gz").read_bytes()
    assert first == (tmp_path / "b.nii.gz").read_bytes()
    assert first[4:8] == bytes(4)  # no time
    assert not first[3] & 8  # no file name


def test_a_sheared_grid_gets_no_qform_that_would_contradict_it(tmp_path):
    sheared = np.eye(4)
    sheared[0, 1] = 0.3
    write_volume(tmp_path / "a.nii", np.ones(SHAPE), geometry_from_affine(SHAPE, sheared))
    header = nib.load(tmp_path / "a.nii").header
    assert int(header["qform_code"]) == 0
    assert read_header(tmp_path / "a.nii").warnings == ()


@pytest.mark.parametrize("value", [-1, 256, 0.5, np.nan])
def test_integers_are_never_rounded_or_wrapped_in_silence(tmp_path, value):
    array = np.full(SHAPE, value, dtype=np.float32)
    with pytest.raises(ValueError, match="do not fit"):
        write_volume(tmp_path / "a.nii", array, geometry_from_affine(SHAPE, np.eye(4)), dtype="uint8")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_write_that_the_system_stops_midway_leaves_nothing(tmp_path, suffix):
    """A limit on file sizes stands in for a full disk."""
    program = (
        "import resource, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from mriuq_cli.data.geometry import geometry_from_affine\n"
        "from mriuq_cli.data.nifti import write_volume\n"
        "from mriuq_cli.errors import MachineError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "noise = np.random.default_rng(0).random((50, 50, 50), dtype=np.float32)\n"
        "try:\n"
        "    write_volume(Path(sys.argv[1]), noise, geometry_from_affine((50, 50, 50), np.eye(4)))\n"
        "except MachineError as error:\n"
        "    print(error)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / f"a{suffix}")], capture_output=True, text=True, check=True
    )
    assert "cannot be written: the file would be larger" in ended.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["exam.nii.gz", "exam.nii", "exam.mgz", "exam.NII.GZ", "exam"])
def test_the_stem_is_the_name_without_what_tells_the_format(name):
    assert stem(name) == "exam"


def test_a_stem_keeps_its_dots():
    assert stem("sub-01.v2.nii.gz") == "sub-01.v2"


@pytest.mark.parametrize(("scale", "fits"), [(1e-3, False), (0.1, False), (0.2, True), (12, True), (1000, False)])
def test_voxel_sizes_that_no_head_exam_has_are_refused_with_a_word_about_units(tmp_path, scale, fits):
    path = saved(tmp_path / "in.nii", numbers("i2"), affine=np.diag([scale, scale, scale, 1]))
    if fits:
        assert read_header(path).geometry.spacing == pytest.approx([scale] * 3)
        return
    with pytest.raises(InputError, match="voxels measure") as caught:
        read_header(path)
    assert "millimetres" in caught.value.hint


def test_the_same_voxels_give_the_same_bytes_from_threads_that_write_at_once(tmp_path):
    shape = (48, 48, 48)
    values = np.where(np.indices(shape).sum(0) % 5 == 0, np.random.default_rng(0).normal(size=shape), 0)
    geometry = geometry_from_affine(shape, np.eye(4))
    with ThreadPoolExecutor(4) as pool:
        paths = [tmp_path / f"{i}.nii.gz" for i in range(40)]
        list(pool.map(lambda path: write_volume(path, values.astype(np.float32), geometry), paths))
    assert len({path.read_bytes() for path in paths}) == 1
