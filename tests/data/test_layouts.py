"""What the user points at becomes cases, judged by headers alone."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePath

import numpy as np
import pytest

from mriuq_cli.data import nifti
from mriuq_cli.data.layouts import find_cohort
from mriuq_cli.data.layouts.files import common_stem
from mriuq_cli.data.reader import read_case
from mriuq_cli.errors import InputError, UsageError
from mriuq_cli.hooks.method import Role

ROLES = (
    Role("flair", "FLAIR", ("t2f",)),
    Role("t1", "T1", ("t1n", "t1w")),
    Role("t1gd", "T1 after gadolinium", ("t1ce", "t1c")),
    Role("t2", "T2", ("t2w",)),
)
HEAD = (Role("t1", "T1w head", ("t1w",)),)


def find(*inputs, missing=(), order=None, **more):
    return find_cohort([Path(i) for i in inputs], ROLES, missing=frozenset(missing), order=order, **more)


def indices(ref):
    return {name: volume.index for name, volume in ref.volumes.items()}


class TestFourD:
    def test_as_many_volumes_as_roles_are_in_the_order_of_roles_and_the_missing_is_dropped(self, exam):
        (ref,) = find(exam, missing=["flair"])
        assert indices(ref) == {"t1": 1, "t1gd": 2, "t2": 3}
        assert (ref.id, ref.subfolder, ref.folder) == ("exam", PurePath(), exam.parent)

    def test_one_volume_fewer_with_one_missing_is_the_rest_in_order(self, tmp_path, images, write):
        path = write.four_d(tmp_path / "a.nii.gz", images, ("flair", "t1gd", "t2"))
        (ref,) = find(path, missing=["t1"])
        assert indices(ref) == {"flair": 0, "t1gd": 1, "t2": 2}

    def test_order_names_each_volume(self, tmp_path, images, write):
        path = write.four_d(tmp_path / "a.nii.gz", images, ("t2", "t1", "t1gd"))
        (ref,) = find(path, order=("t2", "T1", "t1ce"))
        assert list(ref.volumes) == ["t1", "t1gd", "t2"]
        assert indices(ref) == {"t1": 1, "t1gd": 2, "t2": 0}
        assert np.array_equal(read_case(ref).volumes["t2"].data, images["t2"])

    def test_a_missing_contrast_named_in_order_is_dropped(self, exam):
        (ref,) = find(exam, order=("t2", "t1", "flair", "t1gd"), missing=["t2"])
        assert indices(ref) == {"flair": 2, "t1": 1, "t1gd": 3}

    def test_one_volume_fewer_without_a_word_is_refused_with_both_readings(self, tmp_path, images, write):
        path = write.four_d(tmp_path / "a.nii.gz", images, ("t1", "t1gd", "t2"))
        with pytest.raises(InputError) as caught:
            find(path)
        text = str(caught.value)
        assert "holds 3 volumes; 4 are expected (flair, t1, t1gd, t2)" in text
        assert "--missing flair reads t1, t1gd, t2" in text
        assert "--order" in text

    @pytest.mark.parametrize("names", [("t1", "t2"), ("t1", "t2", "t1", "t2", "t1")])
    def test_other_numbers_of_volumes_are_refused(self, tmp_path, images, names, write):
        path = write.four_d(tmp_path / "a.nii.gz", images, names)
        with pytest.raises(InputError, match=f"holds {len(names)} volumes; 4 are expected"):
            find(path, missing=["flair"])

    def test_a_single_3d_image_needs_its_contrasts_name(self, exam_files):
        with pytest.raises(InputError, match="--flair FILE"):
            find(exam_files["t1"], missing=["flair"])

    def test_a_3d_image_is_fine_where_one_image_is_all_that_is_read(self, exam_files):
        (ref,) = find_cohort([exam_files["t1"]], HEAD, complete=True)
        assert indices(ref) == {"t1": None}

    def test_an_order_of_another_length_is_refused(self, exam):
        with pytest.raises(InputError, match="holds 4 volumes, but --order names 3"):
            find(exam, order=("t1", "t2", "flair"))

    @pytest.mark.parametrize(
        ("shape", "words"),
        [((20, 20), "2-D"), ((20, 20, 1), "single slice"), ((20, 20, 1, 4), "slice"), ((9, 9, 9, 4, 2), "5-D")],
    )
    def test_flat_and_five_dimensional_images_are_refused(self, tmp_path, shape, words, write):
        path = write.volume(tmp_path / "a.nii.gz", np.ones(shape, dtype=np.int16))
        with pytest.raises(InputError, match=words):
            find(path, missing=["flair"])


class TestFiles:
    def test_files_come_in_the_order_of_roles_with_the_stem_they_share(self, exam_files):
        given = {"t2": exam_files["t2"], "T1ce": exam_files["t1gd"], "t1": exam_files["t1"]}
        (ref,) = find(files=given)
        assert list(ref.volumes) == ["t1", "t1gd", "t2"]
        assert ref.id == "exam"

    def test_a_missing_contrasts_file_is_not_opened(self, exam_files):
        (ref,) = find(files={**exam_files, "flair": Path("no/such/file.nii")}, missing=["flair"])
        assert list(ref.volumes) == ["t1", "t1gd", "t2"]

    @pytest.mark.parametrize(
        ("names", "stem"),
        [
            (("p1_t1.nii.gz", "p1_t1ce.nii.gz", "p1_t2.nii.gz"), "p1"),
            (("p1-t1n.nii", "p1-t1c.nii"), "p1"),
            (("p1_t1.nii.gz",), "p1"),
            (("sub-01_T1w.nii.gz", "sub-01_ce-gad_T1w.nii.gz", "sub-01_FLAIR.nii.gz"), "sub-01"),
            (("ann_head_post.nii", "ann_head_pre.nii"), "ann_head"),
            (("one.nii", "two.nii"), "exam"),
            (("t1.nii.gz", "t2.nii.gz"), "exam"),
            (("scan.nii.gz",), "scan"),
        ],
    )
    def test_the_stem_is_what_names_share(self, names, stem):
        assert common_stem([Path(name) for name in names], ROLES) == stem

    def test_one_file_for_two_contrasts_is_refused(self, exam_files):
        with pytest.raises(UsageError, match="same file is given as t1 and as t2"):
            find(files={"t1": exam_files["t1"], "t2": exam_files["t1"]})

    def test_a_contrast_under_two_names_is_refused(self, exam_files):
        with pytest.raises(UsageError, match="t1gd is named twice"):
            find(files={"t1gd": exam_files["t1gd"], "t1ce": exam_files["t2"]})

    def test_a_4d_file_as_one_contrast_is_refused(self, exam, exam_files):
        with pytest.raises(InputError, match="holds 4 volumes where one 3-D image is expected"):
            find(files={"t1": exam, "t2": exam_files["t2"]})

    def test_a_missing_file_is_unfit_input(self, exam_files):
        with pytest.raises(InputError, match="no such file"):
            find(files={"t1": Path("none.nii.gz"), "t2": exam_files["t2"]})

    def test_different_grids_are_refused_by_their_headers(self, tmp_path, exam_files, images, write, monkeypatch):
        shifted = write.affine.copy()
        shifted[2, 3] += 5
        other = write.volume(tmp_path / "t2.nii.gz", images["t2"], shifted)
        monkeypatch.setattr(nifti, "read_volumes", None)  # no voxel is read
        with pytest.raises(InputError, match="5 voxels apart"):
            find(files={"t1": exam_files["t1"], "t2": other})

    def test_order_is_for_4d_files(self, exam_files):
        with pytest.raises(UsageError, match="--order"):
            find(files=exam_files, order=("t1", "t2"))


class TestFolders:
    def test_names_of_2018_and_2023_are_read_with_labels(self, brats_folder):
        cohort = find(brats_folder, complete=True)
        assert [ref.id for ref in cohort] == ["BraTS-GLI-00001-000", "BraTS18_A"]
        assert [ref.subfolder for ref in cohort] == [PurePath("BraTS-GLI-00001-000"), PurePath("BraTS18_A")]
        for ref in cohort:
            assert list(ref.volumes) == ["flair", "t1", "t1gd", "t2"]
            assert ref.labels is not None
            assert read_case(ref).regions["tumour"].any()

    def test_a_case_folder_alone(self, brats_folder):
        (ref,) = find(brats_folder / "BraTS18_A", missing=["t2"])
        assert (ref.id, list(ref.volumes), ref.subfolder) == ("BraTS18_A", ["flair", "t1", "t1gd"], PurePath())

    def test_a_contrast_without_a_file_is_missing(self, tmp_path, images, write):
        folder = write.brats(tmp_path, images, "A", 2018, without=("flair", "seg"))
        (ref,) = find(folder)
        assert list(ref.volumes) == ["t1", "t1gd", "t2"]
        assert ref.labels is None

    def test_plain_and_nested_files_mirror_their_place(self, tmp_path, images, write):
        for place in ("a", "b", "b/c"):
            write.four_d(tmp_path / "root" / place / "exam.nii.gz", images)
        cohort = find(tmp_path / "root", missing=["flair"])
        assert [(ref.id, str(ref.subfolder)) for ref in cohort] == [("exam", "a"), ("exam", "b"), ("exam", "b/c")]

    def test_files_named_by_contrast_alone_take_the_folders_name(self, tmp_path, images, write):
        for name in ("t1", "t2"):
            write.volume(tmp_path / "ann" / f"{name}.nii.gz", images[name])
        (ref,) = find(tmp_path / "ann")
        assert (ref.id, list(ref.volumes)) == ("ann", ["t1", "t2"])

    def test_outputs_of_an_earlier_run_are_no_inputs(self, tmp_path, images, write):
        folder = write.brats(tmp_path, images, "A", 2018)
        (folder / "A_flair.receipt.json").write_text("{}")
        write.volume(folder / "A_flair_lower.nii.gz", images["flair"])
        (ref,) = find(folder)
        assert list(ref.volumes) == ["t1", "t1gd", "t2"]
        exam = write.four_d(tmp_path / "scan" / "exam.nii.gz", images)
        write.volume(exam.with_name("exam_flair.nii.gz"), images["flair"])
        (ref,) = find(exam.parent, missing=["flair"])
        assert indices(ref) == {"t1": 1, "t1gd": 2, "t2": 3}

    def test_hidden_and_half_written_files_are_passed_over(self, brats_folder):
        (brats_folder / ".BraTS18_A.nii.gz.part").write_bytes(b"half")
        (brats_folder / ".hidden").mkdir()
        (brats_folder / ".hidden" / "x.nii.gz").write_bytes(b"")
        assert len(find(brats_folder, missing=["t1"])) == 2

    def test_a_3d_image_of_the_exam_s_own_name_beside_its_contrasts_does_not_hide_it(self, tmp_path, images, write):
        write.files(tmp_path, images, "p1")
        write.volume(tmp_path / "p1.nii.gz", images["t1"])
        (ref,) = find(tmp_path, missing=["flair"])
        assert (ref.id, list(ref.volumes)) == ("p1", ["t1", "t1gd", "t2"])

    def test_outputs_are_no_exams_of_a_method_that_reads_one_image(self, tmp_path, images, write):
        names = ["x_t2.nii.gz", "x_t2_lower.nii.gz", "x_t1_outlier.nii.gz"]
        for name in ("x.nii.gz", "y_t2.nii.gz", "y_t2_width.nii.gz", "y_t2_more.nii.gz", *names):
            write.volume(tmp_path / name, images["t1"])
        (tmp_path / "x_t2.receipt.json").write_text(json.dumps({"Outputs": dict.fromkeys(names[:2], 0)}))
        (tmp_path / "x_maps.receipt.json").write_text("{damaged")
        (tmp_path / ".y_t2.claim").touch()
        found = find_cohort([tmp_path], (Role("head", "any"),), complete=True)
        assert [ref.id for ref in found] == ["x", "y_t2_more"]

    def test_of_a_bids_data_set_the_raw_images_alone_are_exams(self, tmp_path, images, write):
        (tmp_path / "dataset_description.json").write_text("{}")
        for place in (tmp_path / "sub-1" / "anat", tmp_path / "derivatives" / "clean" / "sub-1" / "anat"):
            write.volume(place / "sub-1_T1w.nii.gz", images["t1"])
        (ref,) = find_cohort([tmp_path], HEAD, complete=True)
        assert ref.folder == tmp_path / "sub-1" / "anat"

    def test_a_folder_with_nothing_is_refused(self, tmp_path):
        with pytest.raises(InputError, match="no exam found"):
            find(tmp_path, missing=["t1"])

    def test_links_in_a_circle_end(self, brats_folder):
        (brats_folder / "again").symlink_to(brats_folder)
        assert len(find(brats_folder, missing=["t1"])) == 2

    def test_patterns_that_the_shell_left_alone_are_expanded(self, brats_folder):
        assert [ref.id for ref in find(brats_folder / "BraTS18*", missing=["t1"])] == ["BraTS18_A"]
        with pytest.raises(InputError, match="matches this pattern"):
            find(brats_folder / "nobody*", missing=["t1"])

    def test_the_same_input_twice_is_one_case(self, exam):
        assert len(find(exam, exam.parent / "." / exam.name, missing=["t1"])) == 1

    def test_an_unfit_case_among_several_waits_until_it_is_read(self, brats_folder, exam):
        (brats_folder / "BraTS18_A" / "BraTS18_A_t1.nii.gz").write_bytes(b"")
        bad = exam.with_name("bad.nii.gz")
        bad.write_bytes(b"no image")
        cohort = find(brats_folder, bad, exam, missing=["flair"])
        assert [(ref.id, ref.problem is None) for ref in cohort] == [
            ("BraTS-GLI-00001-000", True), ("BraTS18_A", False), ("bad", False), ("exam", True),
        ]  # fmt: skip
        with pytest.raises(InputError, match="empty"):
            read_case(cohort[1])

    def test_a_single_unfit_case_is_refused_at_once(self, brats_folder):
        (brats_folder / "BraTS18_A" / "BraTS18_A_t1.nii.gz").write_bytes(b"")
        with pytest.raises(InputError, match="empty"):
            find(brats_folder / "BraTS18_A", missing=["flair"])

    def test_two_files_for_one_contrast_are_refused(self, tmp_path, images, write):
        folder = write.brats(tmp_path, images, "A", 2018)
        write.volume(folder / "A_t1.nii", images["t1"])
        with pytest.raises(InputError, match="second file for t1"):
            find(folder, missing=["flair"])

    def test_two_exams_of_one_name_in_one_place_are_refused(self, tmp_path, images, write):
        write.four_d(tmp_path / "x.nii.gz", images)
        write.four_d(tmp_path / "x.nii", images)
        with pytest.raises(UsageError, match="both be called x"):
            find(tmp_path, missing=["flair"])

    def test_the_order_of_cases_does_not_depend_on_the_file_system(self, tmp_path, images, write, monkeypatch):
        for name in ("c", "a", "b"):
            write.four_d(tmp_path / f"{name}.nii.gz", images)
        plain = Path.iterdir
        monkeypatch.setattr(Path, "iterdir", lambda self: iter(sorted(plain(self), reverse=True)))
        assert [ref.id for ref in find(tmp_path, missing=["t1"])] == ["a", "b", "c"]


class TestWords:
    def test_an_unknown_contrast_is_refused_with_the_nearest(self, exam):
        with pytest.raises(UsageError, match="unknown contrast 'flare'") as caught:
            find(exam, missing=["flare"])
        assert "did you mean 'flair'?" in str(caught.value)

    @pytest.mark.parametrize("more", [{"missing": ["t1gd", "t1ce"]}, {"order": ("t1", "t1n", "t2", "flair")}])
    def test_a_contrast_named_twice_is_refused(self, exam, more):
        with pytest.raises(UsageError, match="twice"):
            find(exam, **more)

    def test_all_contrasts_missing_is_refused(self, exam, exam_files):
        with pytest.raises(UsageError, match="all contrasts are missing"):
            find(exam, missing=["flair", "t1", "t1gd", "t2"])
        with pytest.raises(UsageError, match="no contrast is left"):
            find(files={"t1": exam_files["t1"]}, missing=["t1"])

    def test_nothing_missing_is_refused_where_something_is_to_be_predicted(self, exam, exam_files):
        for call in (lambda: find(exam), lambda: find(files=exam_files)):
            with pytest.raises(UsageError, match="nothing is missing") as caught:
                call()
            assert "--missing flair" in str(caught.value)

    def test_nothing_missing_is_welcome_where_complete_exams_are(self, brats_folder):
        (brats_folder / "BraTS18_A" / "BraTS18_A_t1.nii.gz").unlink()
        assert [(len(ref.volumes), ref.problem) for ref in find(brats_folder, welcome=True)] == [(4, None), (3, None)]

    def test_something_missing_is_refused_where_all_is_needed(self, exam_files):
        del exam_files["t2"]
        with pytest.raises(InputError, match="lacks t2"):
            find(files=exam_files, complete=True)

    def test_input_and_files_exclude_each_other_and_one_is_needed(self, exam, exam_files):
        with pytest.raises(UsageError, match="not both"):
            find(exam, files=exam_files)
        with pytest.raises(UsageError, match="no image"):
            find(missing=["t1"])

    def test_an_input_that_is_not_there(self, exam):
        with pytest.raises(InputError, match="no such file"):
            find(exam, exam.with_name("none.nii.gz"), missing=["t1"])

    def test_mask_and_id_are_for_one_exam(self, exam, exam_files, brats_folder, images, tmp_path, write):
        mask = write.volume(tmp_path / "mask.nii.gz", (images["t1"] > 0).astype(np.uint8))
        (ref,) = find(exam, missing=["t1"], mask=mask, case_id="ann")
        assert (ref.id, ref.mask.path) == ("ann", mask)
        for more in ({"mask": mask}, {"case_id": "ann"}):
            with pytest.raises(UsageError, match="is for one exam, but 2 were found"):
                find(brats_folder, missing=["t1"], **more)

    @pytest.mark.parametrize("name", ["", "../x", "a/b", ".x", "-x", "a\nb"])
    def test_an_id_must_be_the_beginning_of_a_file_name(self, exam, name):
        with pytest.raises(UsageError, match="--id"):
            find(exam, missing=["t1"], case_id=name)

    def test_a_mask_of_another_grid_is_refused_by_its_header(self, exam, tmp_path, write):
        mask = write.volume(tmp_path / "mask.nii.gz", np.ones((8, 8, 8), dtype=np.uint8))
        with pytest.raises(InputError, match="40x44x36 there against 8x8x8"):
            find(exam, missing=["t1"], mask=mask)


def test_all_shared_exams_are_found_complete(real_data):
    cohort = find(real_data / "brats18", complete=True)
    assert len(cohort) == len(os.listdir(real_data / "brats18"))
    assert all(ref.problem is None and ref.labels is not None for ref in cohort)


def test_unregistered_contrasts_are_refused(real_data):
    with pytest.raises(InputError, match="Register and resample"):
        find(real_data / "multicontrast" / "tcga_fg_6692_as_acquired", missing=["flair"])
