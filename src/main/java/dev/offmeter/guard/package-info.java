// SPDX-License-Identifier: Apache-2.0
/**
 * What a caller asks of an answer before it counts as one. Start with {@link
 * dev.offmeter.guard.AnswerCheck}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.guard;
