"""Bad input, through the installed executable: a short message, the right exit code, nothing written, no trace.

Each row of the table makes one thing wrong and says what must be told.
"""

import gzip
import os
import pickle
import signal
import struct
import subprocess
import time
import zipfile
from pathlib import Path

import exams
import nibabel as nib
import numpy as np
import pytest

FLAIR = ("--missing", "flair")
BASE = ("--weights", "weights", "--out", "out")


def one(name="exam.nii.gz"):
    """Return the words of a prediction from one file."""
    return (name, *FLAIR, *BASE)


def bytes_of(here, name="exam.nii.gz"):
    return bytearray((here / name).read_bytes())


def unzipped(here):
    return bytearray(gzip.decompress(bytes_of(here)))


def nothing(here):
    """Leave everything as it is: the words are at fault."""


def empty(here):
    (here / "exam.nii.gz").write_bytes(b"")


def truncated(here):
    data = bytes_of(here)
    (here / "exam.nii.gz").write_bytes(data[: len(data) // 2])


def not_nifti(here):
    (here / "exam.nii.gz").write_bytes(b"hello" * 1000)


def wrong_crc(here):
    data = bytes_of(here)
    data[-8:-4] = bytes(byte ^ 0xFF for byte in data[-8:-4])
    (here / "exam.nii.gz").write_bytes(data)


def lying(here, edge=512, packed=True):
    data = unzipped(here)
    struct.pack_into("<8h", data, 40, 4, edge, edge, edge, 4, 1, 1, 1)
    if packed:
        (here / "exam.nii.gz").write_bytes(gzip.compress(bytes(data), 1))
    else:
        (here / "exam.nii").write_bytes(data)


def lying_unpacked(here):
    lying(here, packed=False)


def lying_boldly(here):
    lying(here, edge=32767)


def bomb(here):
    (here / "exam.nii.gz").write_bytes(gzip.compress(bytes(unzipped(here)) + bytes(2**26), 9))


def flat(here):
    exams.save(here / "exam.nii.gz", exams.phantom()[:, :, 0, 0])


def five(here):
    exams.save(here / "exam.nii.gz", exams.phantom()[..., None, :])


def volumes(count):
    def make(here):
        exams.save(here / "exam.nii.gz", np.concatenate([exams.phantom()] * 2, axis=-1)[..., :count])

    return make


def apart(here, affine=exams.AFFINE, shape=exams.SHAPE):
    data = exams.phantom()
    exams.save(here / "t1.nii.gz", data[..., 1])
    exams.save(here / "t2.nii.gz", data[: shape[0], : shape[1], : shape[2], 3], affine)


def moved(here):
    affine = exams.AFFINE.copy()
    affine[0, 3] += 1
    apart(here, affine)


def smaller(here):
    apart(here, shape=(23, 26, 22))


def no_forms(here):
    image = nib.Nifti1Image(exams.phantom(), exams.AFFINE)
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nib.save(image, here / "exam.nii.gz")


def filled(value):
    def make(here):
        data = exams.phantom()
        data[..., 1] = np.where(data[..., 1] != 0, value, 0) if np.isfinite(value) else value
        exams.save(here / "exam.nii.gz", data)

    return make


def exists(here):
    (here / "out").mkdir()
    (here / "out" / "exam_flair.nii.gz").write_bytes(b"precious")


def out_is_file(here):
    (here / "out").write_bytes(b"")


def wrong_hash(here):
    path = here / "weights" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def other_method(here):
    exams.weights(here / "weights", method="puq")


def other_api(here):
    exams.weights(here / "weights", api_version=99)


def pickled(here):
    (here / "weights" / "weights.safetensors").write_bytes(pickle.dumps({"weight": 1}))


def torch_zip(here):
    with zipfile.ZipFile(here / "weights" / "weights.safetensors", "w") as archive:
        archive.writestr("data.pkl", b"")


def only_pickle(here):
    (here / "weights" / "weights.safetensors").rename(here / "weights" / "model.pt")


def no_json(here):
    (here / "weights" / "weights.json").unlink()


def broken_json(here):
    (here / "weights" / "weights.json").write_text('{"format": 1,')


def other_network(here):
    from safetensors.numpy import save

    data = save({"weight": np.zeros((3, 3), np.float32)})
    import hashlib

    exams.weights(here / "weights", sha256=hashlib.sha256(data).hexdigest())
    (here / "weights" / "weights.safetensors").write_bytes(data)


def no_safetensors(here):
    import hashlib

    exams.weights(here / "weights", sha256=hashlib.sha256(b"not tensors at all").hexdigest())
    (here / "weights" / "weights.safetensors").write_bytes(b"not tensors at all")


def other_calibration(here):
    exams.calibration(here / "calibration.json", method="puq")


def broken_calibration(here):
    exams.calibration(here / "calibration.json", factors={"flair": {"t1": {"lower": -1}}})


def unfamiliar(here):
    exams.calibration(here / "calibration.json", heads=range(10, 19))


def no_reference(here):
    exams.calibration(here / "calibration.json", familiarity={})


def other_weights(here):
    exams.calibration(here / "calibration.json", **{"for": ["0" * 64]})


def four_d_reference(here):
    exams.exam(here, "ref")


CALIBRATED = (*one(), "--calibration", "calibration.json")
APART = ("--t1", "t1.nii.gz", "--t2", "t2.nii.gz", *BASE)

TABLE = [
    ("missing file", nothing, one("absent.nii.gz"), 3, ["absent.nii.gz", "no such file"]),
    ("empty file", empty, one(), 3, ["exam.nii.gz", "empty"]),
    ("truncated file", truncated, one(), 3, ["truncated"]),
    ("not NIfTI", not_nifti, one(), 3, ["not a NIfTI"]),
    ("wrong CRC", wrong_crc, one(), 3, ["checksum"]),
    ("header lies, gz", lying, one(), 3, ["header announces"]),
    ("header lies, plain", lying_unpacked, one("exam.nii"), 3, ["header announces"]),
    ("header lies boldly", lying_boldly, one(), 3, ["header announces"]),
    ("gz bomb", bomb, one(), 3, ["more voxels than its header"]),
    ("2-D", flat, one(), 3, ["2-D"]),
    ("5-D", five, one(), 3, ["5-D"]),
    ("two volumes", volumes(2), one(), 3, ["2 volumes", "4 are expected", "--order"]),
    ("six volumes", volumes(6), one(), 3, ["6 volumes", "4 are expected"]),
    ("three volumes, none named", volumes(3), ("exam.nii.gz", *BASE), 3, ["--missing flair", "--order"]),
    ("nothing missing", nothing, ("exam.nii.gz", *BASE), 2, ["nothing is missing", "--missing"]),
    ("contrast unknown", nothing, ("exam.nii.gz", "--missing", "flari", *BASE), 2, ["flari", "'flair'"]),
    ("contrast twice", nothing, (*one(), "--order", "t1,t1,t2,flair"), 2, ["t1", "twice"]),
    ("contrast given twice", apart, ("--t1", "t1.nii.gz", "--t1", "t2.nii.gz", *BASE), 2, ["t1 is given twice"]),
    ("file twice", apart, ("--t1", "t1.nii.gz", "--t2", "t1.nii.gz", *BASE), 2, ["same file", "t1", "t2"]),
    ("all missing", nothing, ("exam.nii.gz", "--missing", "flair,t1,t1gd,t2", *BASE), 2, ["all contrasts are missing"]),
    ("no input", nothing, BASE, 2, ["no input"]),
    ("grids moved", moved, APART, 3, ["t2.nii.gz", "grid", "1 voxel"]),
    ("grids of another shape", smaller, APART, 3, ["t2.nii.gz", "grid"]),
    ("neither sform nor qform", no_forms, one(), 3, ["neither sform nor qform"]),
    ("all NaN", filled(np.nan), one(), 3, ["t1", "finite"]),
    ("all zero", filled(0), one(), 3, ["every voxel of t1 is 0"]),
    ("constant", filled(7), one(), 3, ["t1 is constant", "7"]),
    ("mask missing", nothing, (*one(), "--mask", "mask.nii.gz"), 3, ["mask.nii.gz", "no such file"]),
    ("reference missing", nothing, (*one(), "--scale-like", "ref.nii.gz"), 3, ["ref.nii.gz", "no such file"]),
    ("reference of four images", four_d_reference, (*one(), "--scale-like", "ref.nii.gz"), 3, ["4 volumes", "ref"]),
    ("parent of out absent", nothing, (*one(), "--out", "a/b"), 6, ["a/b", "parent"]),
    ("out is a file", out_is_file, one(), 6, ["out", "is a file"]),
    ("output exists", exists, one(), 6, ["exam_flair.nii.gz", "exists", "--overwrite", "--resume"]),
    ("overwrite and resume", nothing, (*one(), "--overwrite", "--resume"), 2, ["contradict"]),
    ("no such device", nothing, (*one(), "--device", "tpu"), 2, ["tpu", "cuda"]),
    ("CUDA device of a high number", nothing, (*one(), "--device", "cuda:99"), 6, ["cuda:99"]),
    ("id with a folder", nothing, (*one(), "--id", "../x"), 2, ["--id"]),
    ("no threads", nothing, (*one(), "--threads", "0"), 2, ["--threads"]),
    ("weights absent", nothing, ("exam.nii.gz", *FLAIR, "--weights", "nowhere", "--out", "out"), 5, ["nowhere"]),
    ("no weights shipped", nothing, ("exam.nii.gz", *FLAIR, "--out", "out"), 5, ["ships no weights", "--weights"]),
    ("weights altered", wrong_hash, one(), 5, ["weights.safetensors", "SHA-256"]),
    ("weights of another method", other_method, one(), 5, ["puq", "relay"]),
    ("weights of another contract", other_api, one(), 5, ["99"]),
    ("weights are a pickle", pickled, one(), 5, ["pickle", "refused"]),
    ("weights are a torch archive", torch_zip, one(), 5, ["pickle", "refused"]),
    ("only a pickle there", only_pickle, one(), 5, ["model.pt", "never loaded"]),
    ("weights without JSON", no_json, one(), 5, ["weights.json"]),
    ("weights with broken JSON", broken_json, one(), 5, ["weights.json", "not JSON"]),
    ("weights of another network", other_network, one(), 5, ["do not fit", "weight"]),
    ("weights that are no tensors", no_safetensors, one(), 5, ["safetensors"]),
    ("calibration absent", nothing, CALIBRATED, 5, ["calibration.json", "no such file"]),
    ("nothing to be familiar with", nothing, (*one(), "--refuse-unfamiliar"), 5, ["no calibration", "--calibration"]),
    ("no reference exams", no_reference, (*CALIBRATED, "--refuse-unfamiliar"), 5, ["no exams to compare with"]),
    ("calibration of another method", other_calibration, CALIBRATED, 5, ["puq", "relay"]),
    ("calibration broken", broken_calibration, CALIBRATED, 5, ["calibration"]),
    ("unfamiliar and refused", unfamiliar, (*CALIBRATED, "--refuse-unfamiliar"), 3, ["unfamiliar: a large head"]),
    ("method raises", nothing, (*one(), "--fail-on", "exam"), 4, ["asked to fail", "relay", "--debug"]),
]


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    return exams.plugin_path(tmp_path_factory.mktemp("path"))


@pytest.fixture
def here(tmp_path):
    exams.exam(tmp_path)
    exams.weights(tmp_path / "weights")
    return tmp_path


def listing(folder):
    """Return what lies in a folder: names, sizes, times of change."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("make", "words", "code", "told"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_refused_with_a_short_message_the_right_code_and_nothing_written(here, plugins, make, words, code, told):
    make(here)
    before = listing(here)
    done = exams.mriuq("predict", "relay", *words, plugins=plugins, cwd=here)
    assert done.returncode == code, done.stderr
    for word in told:
        assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert 1 <= len(done.stderr.strip().splitlines()) <= 3
    assert done.stdout == ""
    assert listing(here) == before


def tell_forms_apart(here):
    moved = exams.AFFINE.copy()
    moved[0, 3] += 1
    image = nib.Nifti1Image(exams.phantom(), exams.AFFINE)
    image.set_sform(exams.AFFINE, 1)
    image.set_qform(moved, 1)
    nib.save(image, here / "exam.nii.gz")


def some_nan(here):
    data = exams.phantom()
    data[10:12, 10, 10, 1] = np.nan, np.inf
    exams.save(here / "exam.nii.gz", data)


WARNED = [
    ("sform against qform", tell_forms_apart, one(), ["sform and qform", "sform is used"]),
    ("some NaN", some_nan, one(), ["t1: 2 voxels"]),
    ("unfamiliar", unfamiliar, CALIBRATED, ["unfamiliar: a large head"]),
    ("not calibrated", nothing, one(), ["not calibrated"]),
    ("no reference exams", no_reference, CALIBRATED, ["no exams to compare with"]),
    ("calibration of other weights", other_weights, CALIBRATED, ["not made for these weights"]),
]


@pytest.mark.parametrize(("make", "words", "told"), [row[1:] for row in WARNED], ids=[row[0] for row in WARNED])
def test_warned_of_on_stderr_and_in_the_sidecar_but_predicted(here, plugins, make, words, told):
    make(here)
    done = exams.mriuq("predict", "relay", *words, plugins=plugins, cwd=here)
    assert done.returncode == 0, done.stderr
    sidecar = (here / "out" / "exam_flair.json").read_text()
    for word in told:
        assert word in done.stderr
        assert word in sidecar


BROKEN = {
    "raises at import": ("raise RuntimeError('no luck')\n", "no luck"),
    "another contract": ("__SAME__.replace", "contract"),
    "wrong arguments": ("__SAME__.wrong", "model_path"),
}


def broken_method(folder, kind):
    """Make a method called ``odd`` that is broken in one way."""
    source = (exams.HERE / "relay_method.py").read_text()
    if kind == "raises at import":
        source = BROKEN[kind][0]
    elif kind == "another contract":
        source = source.replace("Method(API_VERSION,", "Method(API_VERSION + 1,")
    else:
        source = source.replace("(model, case, options, context)", "(model_path, case, options, context)")
    (folder / "source.py").write_text(source)
    return exams.plugin_path(folder / "path", folder / "source.py", name="odd")


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plugin_is_named_with_its_reason(here, kind, tmp_path_factory):
    plugins = broken_method(tmp_path_factory.mktemp("odd"), kind)
    before = listing(here)
    done = exams.mriuq("predict", "odd", *one(), plugins=plugins, cwd=here)
    assert done.returncode == 4
    assert BROKEN[kind][1] in done.stderr
    assert "odd" in done.stderr
    assert "Traceback" not in done.stderr
    assert listing(here) == before


def test_an_unknown_method_is_refused_with_the_nearest_name(here, plugins):
    done = exams.mriuq("predict", "relya", *one(), plugins=plugins, cwd=here)
    assert done.returncode == 4
    assert "did you mean 'relay'" in done.stderr


def mounted(folder, options):
    """Mount a small file system in memory, or skip."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs the right to mount a tmpfs (run as root): {done.stderr.strip()}")


@pytest.fixture
def small_disk(here):
    folder = here / "disk"
    folder.mkdir()
    yield folder
    subprocess.run(["umount", folder], capture_output=True)


def test_a_full_disk_is_said_and_leaves_nothing(here, plugins, small_disk):
    mounted(small_disk, "size=24k")
    done = exams.mriuq("predict", "relay", *one()[:-1], small_disk / "o", plugins=plugins, cwd=here)
    assert done.returncode == 6, done.stderr
    assert "disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(small_disk.rglob("*")) == []


def test_a_read_only_output_folder_is_refused_before_any_work(here, plugins, small_disk):
    mounted(small_disk, "size=1m,ro")
    done = exams.mriuq("predict", "relay", *one()[:-1], small_disk, "--sleep", "60", plugins=plugins, cwd=here)
    assert done.returncode == 6
    assert "cannot be written" in done.stderr


def test_beside_a_read_only_input_the_working_folder_is_used_and_said(here, plugins, small_disk):
    mounted(small_disk, "size=1m")
    exams.exam(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    done = exams.mriuq(
        "predict", "relay", small_disk / "exam.nii.gz", *FLAIR, "--weights", "weights", plugins=plugins, cwd=here
    )
    assert done.returncode == 0, done.stderr
    assert "working folder" in done.stderr
    assert (here / "exam_flair.receipt.json").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_an_interrupt_leaves_nothing_behind(here, plugins, number, code):
    process = exams.start("predict", "relay", *one(), "--sleep", "60", plugins=plugins, cwd=here)
    wait_for(here / "out" / ".mriuq.lock")
    time.sleep(0.3)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in told
    assert not (here / "out").exists()


def wait_for(path: Path, seconds=60):
    """Wait until a file is there."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.01)


def test_predicts_without_network_home_or_a_writable_installation(here, plugins):
    prefix = Path(os.path.realpath(exams.EXECUTABLE)).parents[1]
    script = f'mount --bind "{prefix}" "{prefix}" && mount -o remount,ro,bind "{prefix}" && exec "$@"'
    outer = ["unshare", "--mount", "--net", "sh", "-c", script, "sh"]
    if subprocess.run([*outer, "true"], capture_output=True).returncode:
        pytest.skip("needs the right to unshare namespaces (run as root)")
    environment = exams.environment(plugins)
    for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR"):
        environment.pop(name, None)
    words = [*outer, str(exams.EXECUTABLE), "predict", "relay", *one()]
    done = subprocess.run(words, cwd=here, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (here / "out" / "exam_flair.receipt.json").exists()
