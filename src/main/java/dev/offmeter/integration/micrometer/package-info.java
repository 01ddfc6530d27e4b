// SPDX-License-Identifier: Apache-2.0
/**
 * Makes Micrometer's meters and observations of a client's events and status. Needs {@code
 * io.micrometer:micrometer-core}, which Offmeter does not bring.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.integration.micrometer;
