// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.storm;

/** An answer as a record. */
record Slip(String signed) {}
