"""The golden packs: complete, small, plain, and still what Keras says."""

import numpy as np
import pytest

from keras_ref import golden
from keras_ref.cases import GROUPS
from keras_ref.divergence import first_divergence
from keras_ref.reference import live_reference


@pytest.mark.parametrize("group", GROUPS)
def test_pack_holds_every_case(group):
    packed = golden.load(group)
    assert set(packed) == {case.name for case in GROUPS[group]()}
    assert all(reference.exact for reference in packed.values())


def test_packs_are_under_five_megabytes_together():
    assert sum(path.stat().st_size for path in golden.FOLDER.glob("*.npz")) < 5_000_000


def test_a_missing_pack_says_how_to_write_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected layers.npz.*python -m keras_ref.golden"):
        golden.load("layers", tmp_path)


@pytest.mark.parametrize("group", GROUPS)
def test_pack_is_what_keras_says_now(group, keras):
    packed = golden.load(group)
    for case in GROUPS[group]()[::7]:
        if case.steps > 20:
            continue
        now = live_reference(golden.packed(case), thin=True).exact
        assert first_divergence(now, packed[case.name].exact, bar=1e-12) is None, case.name


def test_thinned_arrays_notice_a_single_changed_number():
    from keras_ref.reference import thinned

    array = np.random.RandomState(0).standard_normal((50, 40))
    before = thinned({"a": array}, sums=True)
    array[17, 3] += 1e-9
    after = thinned({"a": array}, sums=True)
    assert first_divergence(after, before, bar=1e-12) is not None


def test_a_case_in_a_pack_has_at_most_twenty_steps():
    for make in GROUPS.values():
        for case in make():
            assert golden.packed(case).steps <= 20
            assert max(golden.packed(case).whole) <= 20
