// SPDX-License-Identifier: Apache-2.0
/** Holds what a caller requires of an answer. Start with {@link dev.offmeter.guard.AnswerCheck}. */
@org.jspecify.annotations.NullMarked
package dev.offmeter.guard;
