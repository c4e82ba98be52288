"""The SOAP `login()` call of the Partner and Enterprise APIs, which the public samples log in with."""

from xml.parsers import expat
from xml.sax.saxutils import escape

from aiohttp import web

from simulator.org.org import Org
from simulator.org.tokens import same_secret
from simulator.web.oauth import USER_ID, password_is_right

_MAX_BODY_BYTES = 64 * 1024
_PATH = "/services/Soap/{api:[uc]}/{version}{tail:/?[^/]*}"
_NAMESPACES = {"u": "urn:partner.soap.sforce.com", "c": "urn:enterprise.soap.sforce.com"}
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns="{namespace}" xmlns:sf="urn:fault.partner.soap.sforce.com"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>'
)


class SoapError(ValueError):
    """The message is no login() call."""


def read_login(body: bytes) -> tuple[str, str]:
    """User name and password of a login() message. Raises `SoapError`, also for XML that declares entities."""
    if len(body) > _MAX_BODY_BYTES:
        raise SoapError(f"the message of {len(body)} bytes is too long")
    texts: dict[str, str] = {}
    path: list[str] = []

    def opened(name: str, _attributes: dict[str, str]) -> None:
        path.append(name.rpartition("}")[2])

    def closed(_name: str) -> None:
        path.pop()

    def said(text: str) -> None:
        if len(path) > 1 and path[-2] == "login":
            texts[path[-1]] = texts.get(path[-1], "") + text

    def refused(*_: object) -> None:
        raise SoapError("the message declares entities")

    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.CharacterDataHandler = said
    parser.EntityDeclHandler = refused
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise SoapError(f"the message is no XML: {error}") from error
    if not {"username", "password"} <= texts.keys():
        raise SoapError("the message has no login with username and password")
    return texts["username"], texts["password"]


def routes(org: Org) -> list[web.RouteDef]:
    """`POST /services/Soap/u/<version>` (and `c`)."""

    async def login(request: web.Request) -> web.Response:
        namespace = _NAMESPACES[request.match_info["api"]]
        body = await request.read()
        try:
            username, password = read_login(body)
        except SoapError as error:
            return _reply(namespace, _fault("soapenv:Client", str(error)), status=500)
        if not same_secret(username, org.settings.username) or not password_is_right(org.settings, password):
            text = "INVALID_LOGIN: Invalid username, password, security token; or user locked out."
            return _reply(namespace, _fault("sf:INVALID_LOGIN", text), status=500)
        server_url = f"{org.instance_url}{request.path.rstrip('/')}"
        return _reply(namespace, _result(org, org.tokens.issue(username), server_url))

    return [web.post(_PATH, login)]


def _reply(namespace: str, body: str, *, status: int = 200) -> web.Response:
    text = _ENVELOPE.format(namespace=namespace, body=body)
    return web.Response(text=text, status=status, content_type="text/xml", charset="utf-8")


def _fault(code: str, text: str) -> str:
    return (
        f"<soapenv:Fault><faultcode>{escape(code)}</faultcode><faultstring>{escape(text)}</faultstring></soapenv:Fault>"
    )


def _result(org: Org, session_id: str, server_url: str) -> str:
    """Clients take elements by their place, so the order is the one of the WSDL."""
    settings = org.settings
    user_info = {
        "accessibilityMode": "false",
        "chatterExternal": "false",
        "currencySymbol": "€",
        "orgAttachmentFileSizeLimit": "5242880",
        "orgDefaultCurrencyIsoCode": "EUR",
        "orgDefaultCurrencyLocale": "de_DE",
        "orgDisallowHtmlAttachments": "false",
        "orgHasPersonAccounts": "false",
        "organizationId": settings.org_id,
        "organizationMultiCurrency": "false",
        "organizationName": "byoc simulator",
        "profileId": "00eHs00000SimPr",
        "roleId": "",
        "sessionSecondsValid": str(int(settings.session_timeout_s)),
        "userDefaultCurrencyIsoCode": "EUR",
        "userEmail": settings.username,
        "userFullName": "Integration User",
        "userId": USER_ID,
        "userLanguage": "en_US",
        "userLocale": "de_DE",
        "userName": settings.username,
        "userTimeZone": "Europe/Berlin",
        "userType": "Standard",
        "userUiSkin": "Theme3",
    }
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in user_info.items())
    result = {
        "metadataServerUrl": server_url.replace("/Soap/u/", "/Soap/m/").replace("/Soap/c/", "/Soap/m/"),
        "passwordExpired": "false",
        "sandbox": "true",
        "serverUrl": server_url,
        "sessionId": session_id,
        "userId": USER_ID,
    }
    outer = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in result.items())
    return f"<loginResponse><result>{outer}<userInfo>{inner}</userInfo></result></loginResponse>"
