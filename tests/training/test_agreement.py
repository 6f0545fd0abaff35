"""The process that was started differently from the others is named."""

from hbt_jax.training.agreement import odd_ones


def test_the_process_that_differs_from_most_is_named_with_its_host():
    usual = {"--seed": "1", "stores": '["a"]'}
    found = odd_ones("abcd", [usual, usual, usual | {"--seed": "2", "stores": '["b"]'}, usual])
    assert found == [
        "--seed is 2 on process 2 (host c), 1 on the others",
        'stores is ["b"] on process 2 (host c), ["a"] on the others',
    ]
    assert odd_ones("abcd", [usual] * 4) == []


def test_of_two_that_differ_the_first_is_right():
    assert odd_ones("ab", [{"jax": "1"}, {"jax": "2"}]) == ["jax is 2 on process 1 (host b), 1 on the others"]


def test_a_fact_that_one_process_does_not_have_is_a_difference():
    assert odd_ones("ab", [{"jax": "1"}, {}]) == ["jax is absent on process 1 (host b), 1 on the others"]
