// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.scenario.random;

/** An answer as a record. */
record SignedAnswer(String signed) {}
