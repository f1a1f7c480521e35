//! The mathematical functions of C's library. The `libm` crate computes them everywhere, so a mapping gives the same
//! digits in a guest and in a test.

use crate::{
    arithmetic::{Raises, describe, raise},
    natives::Native,
    value::Val,
};

fn number(value: &Val) -> Raises<f64> {
    match value.as_number() {
        Some(number) => Ok(number),
        None => raise(format!("{} number required", describe(value))),
    }
}

fn pair(a: f64, b: f64) -> Val {
    Val::array(vec![Val::Num(a), Val::Num(b)])
}

fn integer(value: f64) -> i32 {
    value as i32
}

/// A function of the input.
macro_rules! of_input {
    ($f:expr) => {
        |v| Ok(Val::Num(($f)(number(&v[0])?)))
    };
}

/// A function of two arguments. The last one is checked first.
macro_rules! of_two {
    ($f:expr) => {
        |v| {
            let (b, a) = (number(&v[2])?, number(&v[1])?);
            Ok(Val::Num(($f)(a, b)))
        }
    };
}

pub fn find(name: &str, arity: usize) -> Option<Native> {
    match arity {
        0 => of_none(name),
        2 => of_two(name),
        3 if name == "fma" => Some(|v| {
            let (a, b, c) = (number(&v[1])?, number(&v[2])?, number(&v[3])?);
            Ok(Val::Num(libm::fma(a, b, c)))
        }),
        _ => None,
    }
}

fn of_none(name: &str) -> Option<Native> {
    Some(match name {
        "floor" => of_input!(libm::floor),
        "ceil" => of_input!(libm::ceil),
        "round" => of_input!(libm::round),
        "trunc" => of_input!(libm::trunc),
        "rint" | "nearbyint" => of_input!(libm::rint),
        "sqrt" => of_input!(libm::sqrt),
        "cbrt" => of_input!(libm::cbrt),
        "fabs" => of_input!(libm::fabs),
        "exp" => of_input!(libm::exp),
        "exp2" => of_input!(libm::exp2),
        "exp10" => of_input!(exp10),
        "expm1" => of_input!(libm::expm1),
        "log" => of_input!(libm::log),
        "log2" => of_input!(libm::log2),
        "log10" => of_input!(libm::log10),
        "log1p" => of_input!(libm::log1p),
        "sin" => of_input!(libm::sin),
        "cos" => of_input!(libm::cos),
        "tan" => of_input!(libm::tan),
        "asin" => of_input!(libm::asin),
        "acos" => of_input!(libm::acos),
        "atan" => of_input!(libm::atan),
        "sinh" => of_input!(libm::sinh),
        "cosh" => of_input!(libm::cosh),
        "tanh" => of_input!(libm::tanh),
        "asinh" => of_input!(libm::asinh),
        "acosh" => of_input!(libm::acosh),
        "atanh" => of_input!(libm::atanh),
        "erf" => of_input!(libm::erf),
        "erfc" => of_input!(libm::erfc),
        "gamma" | "lgamma" => of_input!(libm::lgamma),
        "tgamma" => of_input!(libm::tgamma),
        "j0" => of_input!(libm::j0),
        "j1" => of_input!(libm::j1),
        "y0" => of_input!(libm::y0),
        "y1" => of_input!(libm::y1),
        "logb" => of_input!(logb),
        "significand" => of_input!(significand),
        "lgamma_r" => |v| {
            let (value, sign) = libm::lgamma_r(number(&v[0])?);
            Ok(pair(value, f64::from(sign)))
        },
        "frexp" => |v| {
            let (fraction, exponent) = libm::frexp(number(&v[0])?);
            Ok(pair(fraction, f64::from(exponent)))
        },
        "modf" => |v| {
            let number = number(&v[0])?;
            let (fraction, whole) = libm::modf(number);
            Ok(pair(if number.is_infinite() { 0.0_f64.copysign(number) } else { fraction }, whole))
        },
        "isinfinite" => |v| Ok(Val::Bool(number(&v[0])?.is_infinite())),
        "isnan" => |v| Ok(Val::Bool(number(&v[0])?.is_nan())),
        "isnormal" => |v| Ok(Val::Bool(number(&v[0])?.is_normal())),
        _ => return None,
    })
}

fn of_two(name: &str) -> Option<Native> {
    Some(match name {
        "pow" => of_two!(libm::pow),
        "atan2" => of_two!(libm::atan2),
        "fmod" => of_two!(libm::fmod),
        "fmin" => of_two!(libm::fmin),
        "fmax" => of_two!(libm::fmax),
        "fdim" => of_two!(libm::fdim),
        "hypot" => of_two!(libm::hypot),
        "copysign" => of_two!(libm::copysign),
        "nextafter" | "nexttoward" => of_two!(libm::nextafter),
        "remainder" | "drem" => of_two!(libm::remainder),
        "ldexp" | "scalb" | "scalbln" => of_two!(|a, b| libm::ldexp(a, integer(b))),
        "jn" => of_two!(|a, b| libm::jn(integer(a), b)),
        "yn" => of_two!(|a, b| libm::yn(integer(a), b)),
        _ => return None,
    })
}

/// Exact for whole powers.
fn exp10(exponent: f64) -> f64 {
    if exponent.fract() == 0.0 && exponent.abs() < 400.0 {
        return format!("1e{exponent}").parse().unwrap_or(f64::NAN);
    }
    libm::exp10(exponent)
}

fn logb(number: f64) -> f64 {
    if number == 0.0 {
        f64::NEG_INFINITY
    } else if number.is_infinite() {
        f64::INFINITY
    } else if number.is_nan() {
        number
    } else {
        f64::from(libm::frexp(number).1 - 1)
    }
}

fn significand(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() { number } else { libm::frexp(number).0 * 2.0 }
}
