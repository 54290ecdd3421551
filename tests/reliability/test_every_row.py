"""Which tests inject the fault of each row of docs/reliability.md#fault-rows, and see what is required.

A row without a test, a name that no test has, and a test that says "row 12" in its name and is not listed there
all fail. Add the test first, then its name.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

RELIABILITY = {
    "kills": "reliability/test_kills.py",
    "http": "reliability/test_api_over_http.py",
    "histories": "reliability/test_histories.py",
    "user": "reliability/test_user_code.py",
    "waiting": "reliability/test_waiting.py",
    "warm": "reliability/test_warm.py",
    "stores": "reliability/test_stores.py",
    "sender": "runtime/test_checkpointer.py",
    "invocation": "runtime/test_invocation.py",
    "gestures": "runtime/test_gestures.py",
    "misuse": "contexts/test_misuse.py",
    "engine": "replay/test_engine.py",
    "lambda": "backends/test_lambda.py",
    "changing": "runtime/test_changing_code.py",
    "ends": "runtime/test_fan_out_ends.py",
    "large": "runtime/test_fan_out_large.py",
    "fan_out": "runtime/test_fan_out.py",
    "batch_mode": "runtime/test_batch_mode.py",
    "trees": "runtime/test_fan_out_trees.py",
    "store": "local/test_store.py",
    "kill": "local/test_kill.py",
    "events": "parser/test_malformed_events.py",
    "simulator": "testing/test_simulator.py",
    "step": "operations/test_step.py",
    "invoke": "operations/test_invoke.py",
    "condition": "operations/test_wait_for_condition.py",
}

_ONCE = "kills::rows_1_to_7_killed_once_it_ends_with_the_same_result"
_PASSES = "http::rows_12_to_17_a_passing_fault_of_a_checkpoint_costs_neither_a_body_nor_the_invocation"
_LASTS = "http::rows_12_to_17_a_lasting_fault_is_met_by_few_tries_that_wait_longer_each_time_and_then_raised"
_PAGE = "http::rows_15_and_16_a_fault_of_a_page_is_raised_and_the_next_invocation_reads_it"
_BOTOCORE = "http::rows_12_to_17_botocore_itself_reads_a_page_again"
_AGAIN = "sender::row_12_to_17_a_passing_fault_is_met_by_the_same_call_again"
_SORTED = "lambda::a_refusal_is_sorted_by_the_table"
_FINAL = "http::rows_19_to_21_what_cannot_heal_fails_the_execution_once_and_says_why"
_ENDS = "invocation::rows_14_to_22_a_fault_of_the_service_is_raised_if_it_may_heal_and_failed_if_not"
_FINAL_PAGE = "http::rows_19_and_20_so_does_a_page_that_is_refused_for_good"
_STALE = "http::rows_22_and_23_a_stale_token_ends_all_calls_and_is_raised"
_LITTLE = "histories::rows_34_and_35_an_answer_that_tells_little_is_made_up_for_by_what_was_sent"
_ODD = "histories::rows_36_to_43_records_in_odd_order_or_with_more_than_we_know_change_nothing"
_ODD_PAGES = "histories::rows_36_to_39_so_do_pages"
_CUT_OFF = "waiting::rows_63_and_64_what_is_left_of_a_complete_fan_out_is_closed_and_never_heard_of_again"

ROWS = {
    1: ("killed before any checkpoint", _ONCE),
    2: (
        "killed after START, before the body",
        _ONCE,
        "kills::rows_2_and_3_an_interrupted_at_most_once_step_counts_and_its_policy_decides",
        "kills::rows_2_to_4_an_interruption_of_an_at_least_once_step_costs_no_attempt",
    ),
    3: (
        "killed in the body",
        _ONCE,
        "kills::rows_2_and_3_an_interrupted_at_most_once_step_counts_and_its_policy_decides",
        "kills::rows_2_to_4_an_interruption_of_an_at_least_once_step_costs_no_attempt",
    ),
    4: (
        "killed after the body, before SUCCEED is sent",
        _ONCE,
        "kills::rows_2_to_4_an_interruption_of_an_at_least_once_step_costs_no_attempt",
    ),
    5: (
        "killed after SUCCEED is applied",
        _ONCE,
        "kill::after_kill_9_it_goes_on_and_no_acknowledged_step_runs_again",
    ),
    6: (
        "killed between two requests of one parallel",
        _ONCE,
        "ends::killed_around_any_call_it_ends_with_the_same_result",
        "trees::a_tree_of_fan_outs_comes_to_the_same_however_often_it_is_killed",
    ),
    7: ("killed after the result, before returning it", _ONCE),
    8: (
        "killed twice or thrice",
        "kills::row_8_killed_two_and_three_times_anywhere_it_ends_with_the_same_result",
    ),
    9: (
        "time out in a step",
        "kills::row_9_a_body_that_outlasts_the_invocation_is_left_before_its_end",
        "simulator::a_body_that_outlasts_the_invocation_fails_it_and_runs_again_in_the_next",
    ),
    10: (
        "time out waiting for a straggler or an answer",
        "ends::row_10_a_branch_that_does_not_end_is_left_before_the_invocation_must_end",
        "sender::row_10_a_call_that_does_not_come_back_is_left_before_the_invocation_ends",
        "sender::row_10_all_calls_are_made_by_one_thread_outside_of_every_scope",
    ),
    11: (
        "retried while the old invocation runs",
        "kills::row_11_the_invocation_that_was_superseded_stops_at_its_first_stale_token",
    ),
    12: (
        "reset before it is applied",
        _PASSES,
        _LASTS,
        _BOTOCORE,
        _AGAIN,
        "lambda::row_12_and_13_a_connection_that_is_reset_is_met_by_the_same_call_again",
    ),
    13: (
        "reset, or no answer, after it was applied",
        _PASSES,
        _LASTS,
        _BOTOCORE,
        _AGAIN,
        "lambda::row_12_and_13_a_connection_that_is_reset_is_met_by_the_same_call_again",
    ),
    14: (
        "429",
        _PASSES,
        _LASTS,
        _BOTOCORE,
        _AGAIN,
        _ENDS,
        "sender::row_14_nobody_waits_longer_than_the_invocation_lasts",
        "lambda::row_14_and_16_botocore_repeats_with_the_same_tokens",
    ),
    15: ("400 ThrottlingException", _PASSES, _LASTS, _PAGE, _BOTOCORE, _AGAIN, _ENDS),
    16: (
        "500 502 503 504",
        _PASSES,
        _LASTS,
        _PAGE,
        _BOTOCORE,
        _AGAIN,
        _ENDS,
        "lambda::row_14_and_16_botocore_repeats_with_the_same_tokens",
    ),
    17: ("408, RequestExpired, IDPCommunicationError", _PASSES, _LASTS, _BOTOCORE, _AGAIN, _ENDS, _SORTED),
    18: (
        "403 for credentials that ran out",
        "http::row_18_credentials_that_ran_out_are_raised_for_a_fresh_sandbox_and_never_fail_the_execution",
        _ENDS,
        _SORTED,
    ),
    19: ("403 AccessDenied", _FINAL, _FINAL_PAGE, _ENDS, "lambda::a_role_without_the_permission_is_told_which_one"),
    20: ("KMS", _FINAL, _FINAL_PAGE, _ENDS, _SORTED),
    21: ("413, payload too large", _FINAL, _ENDS, "sender::what_cannot_heal_is_not_sent_again_and_no_call_follows"),
    22: (
        "stale token at a checkpoint",
        _STALE,
        _ENDS,
        "sender::what_cannot_heal_is_not_sent_again_and_no_call_follows",
    ),
    23: ("stale token at a page", _STALE),
    24: (
        "no token in an answer",
        "http::row_24_an_answer_without_a_token_is_pending_and_no_call_follows",
        "sender::row_24_without_a_token_everybody_is_suspended_and_no_call_follows",
        "invocation::row_24_without_a_token_the_answer_is_pending_whatever_the_handler_does",
        "lambda::row_24_and_34_an_answer_without_token_or_state_is_an_answer",
    ),
    25: ("no token in the event", "histories::row_25_an_event_without_a_token_is_a_typed_error_and_makes_no_call"),
    26: (
        "a long outage",
        "http::row_26_an_outage_costs_a_bounded_number_of_tries_for_each_invocation",
        "http::row_26_with_little_time_left_it_gives_up_at_once",
        "sender::row_26_a_lasting_outage_is_given_up_and_stays_retryable",
        "lambda::row_26_nobody_there_may_heal",
    ),
    27: (
        "an update nobody waited for is lost",
        "http::row_27_an_update_that_nobody_waited_for_is_owed_at_the_end",
        "invocation::row_27_what_batch_mode_still_owes_is_acknowledged_before_succeeded",
    ),
    28: (
        "a large result is not acknowledged",
        "http::row_28_a_large_result_is_no_success_without_its_acknowledgement",
        "invocation::row_28_a_large_result_that_is_not_acknowledged_is_no_success",
    ),
    29: (
        "the sender dies",
        "sender::row_29_whatever_kills_the_sender_nobody_waits_for_it",
        "sender::row_29_an_error_of_a_call_stops_all_checkpointing",
    ),
    30: ("an item larger than a request", "engine::an_update_larger_than_a_request_is_sent_alone"),
    31: (
        "an item larger than the service takes",
        "invoke::an_event_beyond_the_limit_is_refused_before_anything_is_sent",
        "step::a_value_larger_than_the_service_takes_fails_the_step_without_a_retry",
        "user::row_56_what_a_serializer_does_wrong_is_a_typed_error_wherever_it_is_used",
    ),
    32: (
        "more than 250 updates at once",
        "engine::251_updates_are_two_requests_in_order",
        "batch_mode::more_than_a_request_holds_are_sent_in_order_in_several",
        "large::three_thousand_items_need_few_threads_and_few_requests",
    ),
    33: (
        "SUCCEED overtakes START",
        "engine::order_is_kept_for_ever",
        "engine::no_request_is_over_the_limit_unless_one_update_is_and_nothing_is_lost",
    ),
    34: (
        "an answer without records",
        _LITTLE,
        "histories::row_34_a_callback_whose_id_nobody_told_is_a_typed_error",
        "lambda::row_24_and_34_an_answer_without_token_or_state_is_an_answer",
        "engine::what_the_answer_leaves_out_is_known_from_what_was_sent",
    ),
    35: ("a partial answer", _LITTLE),
    36: ("records twice", _ODD, _ODD_PAGES),
    37: (
        "an older view later",
        _ODD,
        _ODD_PAGES,
        "histories::row_37_an_older_view_on_a_later_page_is_ignored",
        "engine::an_older_view_on_a_later_page_is_ignored",
    ),
    38: ("pages out of order", _ODD, _ODD_PAGES),
    39: (
        "no next marker, in three forms",
        _ODD,
        _ODD_PAGES,
        "histories::row_39_no_marker_in_the_event_is_the_end_of_the_pages",
    ),
    40: (
        "the same marker for ever",
        _ODD,
        "histories::row_40_the_same_marker_for_ever_is_an_error_at_once",
        "histories::row_40_so_are_new_markers_for_ever",
        "sender::row_40_a_marker_that_comes_again_is_an_error",
    ),
    41: (
        "the input on the last page",
        _ODD,
        "histories::row_41_the_input_on_the_last_page_is_found_and_replaying_is_told_rightly",
        "invocation::row_41_the_execution_record_may_come_on_the_last_page",
    ),
    42: (
        "an unknown kind or status",
        _ODD,
        "histories::row_42_a_status_that_nobody_knows_is_a_typed_error_where_it_is_needed",
        "histories::row_42_a_kind_that_nobody_knows_in_the_place_of_an_operation_is_changed_code",
        "histories::row_42_a_kind_that_nobody_knows_is_not_taken_for_what_changed_code_left_out",
    ),
    43: ("unknown fields", _ODD),
    44: (
        "no details",
        "histories::row_44_a_record_without_details_has_a_default_or_is_a_typed_error",
        "histories::row_44_an_interrupted_step_without_details_runs_its_first_attempt",
    ),
    45: (
        "an unreadable result",
        "histories::row_45_a_result_that_cannot_be_read_is_a_typed_error_and_no_body_runs_for_it",
    ),
    46: (
        "every end of every operation",
        "histories::row_46_every_end_of_every_operation_is_its_typed_error_and_a_cancelled_wait_returns",
    ),
    47: ("moments in any form", "histories::row_47_a_moment_may_come_in_any_form_or_not_at_all"),
    48: (
        "malformed events",
        "events::a_broken_event_raises_one_family_of_errors_without_a_word_of_it",
        "events::every_place_refuses_what_is_no_json",
        "events::row_48_every_malformed_event_is_one_family_of_errors_makes_no_call_and_shows_nothing",
        "events::row_48_a_state_of_another_type_is_malformed",
    ),
    49: (
        "an unreadable input",
        "histories::row_49_an_input_that_cannot_be_read_fails_once_with_no_call_and_is_nowhere_shown",
        "histories::row_49_a_deep_or_huge_input_that_can_be_read_is_read",
        "invocation::row_49_a_payload_that_is_no_json_fails_once_and_is_not_logged",
    ),
    50: (
        "a swallowed suspension",
        "gestures::row_50_a_swallowed_suspension_never_becomes_a_result",
        "user::row_50_whatever_suspends_and_whatever_swallows_it_the_result_is_that_of_its_end",
        "user::row_50_a_thread_pool_of_the_user_s_hands_no_suspension_past_us",
    ),
    51: (
        "a call while unwinding",
        "gestures::row_51_a_call_on_the_way_out_raises_the_signal_again_and_takes_no_id",
        "misuse::while_a_suspension_passes_through_it_is_raised_again_and_nothing_is_recorded",
    ),
    52: ("a swallowed detection", "gestures::row_52_catching_the_determinism_error_does_not_save_the_execution"),
    53: (
        "a call at the wrong place",
        "gestures::row_53_an_operation_inside_a_step_is_refused_and_never_retried",
        "gestures::row_53_the_outer_context_inside_a_child_is_refused",
        "gestures::row_53_a_child_s_context_after_its_end_is_refused",
        "gestures::row_53_another_thread_is_refused_also_with_the_scope_copied",
        "gestures::row_53_catching_a_misuse_does_not_save_the_execution",
        "misuse::a_misplaced_call_fails_the_execution_whatever_swallows_it",
        "misuse::a_context_kept_over_an_invocation_harms_neither_execution",
    ),
    54: (
        "a thread outlives the handler",
        "gestures::row_54_a_thread_that_outlives_the_handler_gets_an_error_and_writes_nothing",
        "misuse::a_thread_that_outlives_the_handler",
    ),
    55: (
        "a result that is none",
        "gestures::row_55_a_result_that_cannot_be_written_fails_that_step_for_good",
        "user::row_55_what_is_no_result_yet_is_a_typed_error_before_success_and_no_retry_helps",
    ),
    56: (
        "a serializer that is wrong",
        "gestures::row_56_a_serdes_that_answers_nonsense_is_a_typed_error",
        "user::row_56_what_a_serializer_does_wrong_is_a_typed_error_wherever_it_is_used",
    ),
    57: (
        "a policy that is wrong",
        "user::row_57_a_policy_s_delay_is_rounded_up_and_brought_into_the_service_s_limits",
        "user::row_57_a_policy_that_raises_gives_up_and_one_that_answers_nonsense_is_a_usage_error",
        "condition::a_condition_that_raises_fails_it_for_good",
    ),
    58: (
        "an exception that is hard to write down",
        "gestures::row_58_every_exception_is_recorded_within_the_limits",
        "user::row_58_every_exception_is_recorded_within_the_limits_wherever_it_is_raised",
    ),
    59: (
        "what ends the process",
        "sender::row_59_after_ctrl_c_nobody_waits_for_a_call_in_flight",
        "sender::row_59_the_lock_is_taken_in_one_move",
        "sender::row_59_ctrl_c_while_the_sender_starts_starts_no_second_one",
        "http::row_59_ctrl_c_in_a_call_is_the_developers_and_the_execution_goes_on_later",
        "gestures::row_59_what_ends_the_process_is_not_a_failure_of_the_operation",
        "user::row_59_what_ends_the_process_passes_through_and_nothing_is_recorded_as_failed",
        "http::row_59_ctrl_c_in_a_call_is_the_developers_and_the_execution_goes_on_later",
        "sender::row_59_after_ctrl_c_nobody_waits_for_a_call_in_flight",
        "sender::row_59_the_lock_is_taken_in_one_move",
        "sender::row_59_ctrl_c_while_the_sender_starts_starts_no_second_one",
    ),
    60: (
        "recursion",
        "http::row_60_a_call_takes_no_more_of_the_stack_than_who_waits_for_it",
        "gestures::row_60_endless_recursion_fails_the_execution_and_says_why",
        "user::row_60_endless_recursion_fails_the_execution_with_no_retry",
        "http::row_60_a_call_takes_no_more_of_the_stack_than_who_waits_for_it",
    ),
    61: (
        "changed code",
        "changing::a_change_in_what_is_recorded_is_detected",
        "changing::operations_that_were_recorded_and_are_never_asked_for",
        "changing::they_are_reported_inside_contexts_too",
        "user::row_61_a_retargeted_invoke_keeps_its_recorded_answer",
    ),
    62: (
        "changed map input",
        "fan_out::what_can_never_work_is_refused_before_anything_is_recorded",
        "ends::fewer_inputs_than_recorded_are_detected",
        "ends::another_order_of_named_inputs_is_detected",
    ),
    63: (
        "early completion",
        _CUT_OFF,
        "ends::the_first_success_ends_it_and_what_waits_is_cut_off",
        "ends::branches_that_still_run_stop_at_their_next_operation_and_record_nothing",
        "ends::a_completed_fan_out_tells_the_same_on_every_replay",
    ),
    64: ("nested early completion", _CUT_OFF, "ends::an_orphan_below_an_orphan_stops_too"),
    65: (
        "no more threads",
        "large::row_65_when_the_sandbox_has_no_more_threads_those_there_are_must_do",
        "large::without_a_thread_to_send_checkpoints_another_invocation_is_asked_for",
        "waiting::row_65_a_pool_of_one_gets_through_a_map_of_many_that_fail_wait_and_nest",
    ),
    66: (
        "clocks",
        "waiting::row_66_a_wait_and_a_retry_end_when_the_service_says_so_whatever_the_sandbox_s_clock_says",
        "waiting::row_66_nor_does_a_timer_that_is_served_in_process",
        "waiting::row_66_a_clock_that_jumps_changes_nothing_of_what_is_waited_for_here",
        "waiting::row_66_summer_time_moves_no_clock_of_ours",
    ),
    67: (
        "a timer due during a replay",
        "waiting::row_67_a_timer_that_falls_due_during_a_replay_resumes_its_branch_then",
        "waiting::row_67_one_that_fell_due_while_nobody_ran_resumes_its_branch_at_once",
    ),
    68: ("an early answer", "waiting::row_68_a_callback_that_is_completed_early_is_seen_at_once"),
    69: (
        "an answer while suspending",
        "waiting::row_69_an_answer_that_arrives_while_we_decide_to_suspend_is_not_lost",
        "waiting::row_69_a_branch_goes_on_with_what_the_last_answer_tells",
    ),
    70: (
        "only orphans are open",
        "waiting::row_70_an_execution_whose_only_open_operations_are_orphans_ends_and_is_never_pending",
    ),
    71: (
        "a thousand warm invocations",
        "warm::row_71_a_thousand_warm_invocations_with_exceptions_in_between_leave_nothing_behind",
        "warm::row_71_over_http_no_socket_and_no_thread_is_left_either",
    ),
    72: (
        "stores",
        "stores::row_72_a_disk_that_fills_up_is_an_error_and_the_execution_goes_on_from_what_was_written",
        "stores::row_72_a_store_that_stays_locked_is_an_error_and_nothing_is_lost",
        "stores::row_72_a_store_that_is_locked_in_the_middle_is_an_error_of_the_invocation",
        "stores::row_72_a_torn_file_is_an_error_or_the_whole_truth_and_never_a_corrupt_success",
        "stores::row_72_a_torn_write_ahead_log_loses_only_what_was_not_committed",
        "stores::row_72_a_second_runner_of_an_execution_is_refused_and_the_first_is_not_disturbed",
        "stores::row_72_a_second_process_is_refused_too",
        "stores::row_72_a_handler_whose_store_was_changed_by_another_runner_gets_a_stale_token_and_writes_nothing",
        "store::row_72_a_locked_store_is_a_clear_error_and_loses_nothing",
        "store::row_72_a_full_disk_is_an_error_and_the_checkpoint_did_not_happen",
        "store::row_72_a_damaged_record_is_named_and_not_shown",
        "store::row_72_a_torn_file_is_an_error",
    ),
    73: ("409, 425", _PASSES, _LASTS, _PAGE, _SORTED),
    74: (
        "a state without the execution's record",
        "histories::row_74_a_state_without_the_execution_s_record_is_no_new_execution",
        "histories::row_74_nor_is_one_whose_pages_end_without_it",
        "histories::row_74_an_event_without_the_key_may_be_new",
        "events::row_74_a_state_of_the_right_type_without_the_execution_s_record_is_retryable_and_makes_no_call",
        "events::row_48_every_malformed_event_is_one_family_of_errors_makes_no_call_and_shows_nothing",
    ),
}


@cache
def names_in(file):
    """The names of what pytest collects there, without their ``test_``."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name[5:] for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_there_are_74_rows():
    assert list(ROWS) == list(range(1, 75))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_tests_and_each_of_them_exists(row):
    fault, *named = ROWS[row]
    assert fault
    assert named
    for name in named:
        file, _, test = name.partition("::")
        assert test in names_in(RELIABILITY[file]), name


def rows_of(test):
    """The rows that a test's name says it is about."""
    found = re.match(r"rows?_(\d+)(?:_(to|and)_(\d+))?_", test)
    if found is None:
        return set()
    first, last = int(found[1]), int(found[3] or found[1])
    return set(range(first, last + 1)) if found[2] == "to" else {first, last}


@pytest.mark.parametrize("file", RELIABILITY.values())
def test_a_test_that_says_its_row_is_listed_there(file):
    short = next(key for key, value in RELIABILITY.items() if value == file)
    for test in names_in(file):
        for row in rows_of(test):
            assert f"{short}::{test}" in ROWS[row], f"row {row}"
