// SPDX-License-Identifier: Apache-2.0
/**
 * From the environment, or a file, to endpoints. Start with {@link
 * dev.offmeter.config.Environment}.
 */
@org.jspecify.annotations.NullMarked
package dev.offmeter.config;
