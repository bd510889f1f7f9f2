//! Label values that are known when compiled, for those whose labels are enums.
#![forbid(unsafe_code)]

use measured::FixedCardinalityLabel;
use prometheus_client::encoding::EncodeLabelValue;

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue, FixedCardinalityLabel)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue, FixedCardinalityLabel)]
pub enum Route {
    Cart,
    Home,
    Item,
    Login,
    Order,
    Search,
    Status,
    User,
}

pub const METHODS: [Method; 4] = [Method::Get, Method::Head, Method::Post, Method::Put];
pub const ROUTES: [Route; 8] = [
    Route::Cart,
    Route::Home,
    Route::Item,
    Route::Login,
    Route::Order,
    Route::Search,
    Route::Status,
    Route::User,
];
